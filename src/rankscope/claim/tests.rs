//! What holds for every claim on the registry.

use super::*;
use crate::Device;

#[test]
fn ids_are_distinct_and_every_text_is_there() {
    for (index, claim) in CLAIMS.iter().enumerate() {
        let about = claim.about();
        assert!(CLAIMS[..index].iter().all(|other| other.about().id != about.id), "{}", about.id);
        assert!(about.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        for text in [about.statement, about.source, about.exact, about.reconsider] {
            assert!(
                !text.is_empty() && !text.contains("  ") && !text.contains('\n'),
                "{}: {text:?}",
                about.id
            );
        }
        assert!(
            about.statement.ends_with('.') && about.exact.ends_with('.') && about.reconsider.ends_with('.')
        );
        assert!(std::ptr::eq(find(about.id).unwrap().about(), about));
    }
    assert!(find("no-such").err().unwrap().to_string().contains("mixed-directions"));
}

#[test]
fn defaults_lie_within_their_own_ranges_and_come_back_from_their_text() {
    for claim in CLAIMS {
        for effort in [Effort::Quick, Effort::Full] {
            let settings = Settings::new(*claim, effort, Device::Cpu).unwrap();
            let mut again = Settings::new(*claim, Effort::Quick, Device::Cpu).unwrap();
            for (name, value) in settings.values() {
                again.set(name, &value.to_string()).unwrap();
            }
            assert_eq!(again.record(), settings.record());
        }
    }
}

#[test]
fn bad_settings_are_named_with_what_is_allowed() {
    for claim in CLAIMS {
        let mut settings = Settings::new(*claim, Effort::Quick, Device::Cpu).unwrap();
        for parameter in claim.parameters() {
            let bad: &[&str] = match parameter.allowed {
                Allowed::Integer(..) | Allowed::Integers(..) => {
                    &["-1", "1.5", "x", "", "99999999999999", "1,,2"]
                }
                Allowed::Number(..) | Allowed::Numbers(..) => &["NaN", "inf", "x", "", "-1e300", "1,,2"],
                Allowed::Word(_) => &["", "no such word"],
                Allowed::Text => &[],
            };
            for text in bad {
                let message = settings.set(parameter.name, text).unwrap_err().to_string();
                assert!(message.starts_with(parameter.name), "{message}");
                assert!(message.ends_with(&parameter.allowed.in_words()), "{message}");
            }
        }
        let message = settings.set("no_such", "1").unwrap_err().to_string();
        assert!(message.contains("no_such") && message.contains("seed"), "{message}");
    }
}

#[test]
fn an_expectation_that_is_missed_disagrees_and_so_does_no_number() {
    let mut evidence = Evidence::new();
    for (name, value) in [("near", 1.05), ("far", 2.0), ("nan", f64::NAN)] {
        evidence.measure(name, value, "").expect(1.0, 0.1, "by hand");
    }
    evidence.measure("free", f64::NAN, "");
    let names: Vec<_> = evidence.disagreements().map(|measured| measured.name.as_str()).collect();
    assert_eq!(names, ["far", "nan"]);
    assert_eq!(evidence.expected().len(), 3);
}

/// The quantiles of Student's t that are exceeded with the probability of 4 standard deviations, 6.334e-5, are
/// 4.49 at 39 degrees of freedom and 6.76 at 9, by scipy.
#[test]
fn a_mean_may_differ_from_its_reference_by_what_its_draws_allow() {
    let tolerance = |draws: usize, sd: f64| {
        let mut evidence = Evidence::new();
        let measured = evidence.measure_sample("x", Sample::new([1.0, 2.0, 3.0, 4.0]), "");
        let known = Known::new(3.0, sd, draws);
        measured.expect_mean(known, "by hand").expected.clone().unwrap().tolerance
    };
    let error = |draws: f64| (0.25 + 1.0 / draws).sqrt();
    assert!((tolerance(40, 0.5) / (0.5 * error(40.0)) - 4.49).abs() < 0.02);
    assert!((tolerance(10, 2.0) / (2.0 * error(10.0)) - 6.76).abs() < 0.2);
}

#[test]
fn a_count_that_was_always_the_same_may_differ_in_three_of_its_draws() {
    let mut evidence = Evidence::new();
    let measured = evidence.measure_sample("x", Sample::new([1.0, 0.0]), "");
    measured.expect_mean_count(Known::new(0.0, 0.0, 40), "by hand");
    assert!(measured.agrees());
}

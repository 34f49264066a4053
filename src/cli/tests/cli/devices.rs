//! `rankscope devices`, with whatever adapters the machine has.

use crate::support::{Home, error_of};

#[test]
fn json_says_what_the_list_says() {
    let home = Home::new();
    let (list, json) = (home.stdout(&["devices"]), home.json(&["devices", "--json"]));
    let adapters = json["adapters"].as_array().unwrap();
    for adapter in adapters {
        assert!(list.contains(adapter["name"].as_str().unwrap()), "{list}");
    }
    // The tests' home asks for the CPU.
    let used = &json["used"];
    assert_eq!((&used["request"], &used["adapter"]), (&"cpu".into(), &serde_json::Value::Null));
    assert!(list.starts_with("used"), "{list}");
}

#[test]
fn an_unknown_device_in_the_environment_is_an_error() {
    let home = Home::new();
    let args = ["devices"];
    let output = home.command(&args).env("RANKSCOPE_DEVICE", "tpu").output().unwrap();
    let said = error_of(&args, &output, 1);
    assert!(said.contains("RANKSCOPE_DEVICE") && said.contains("cpu, gpu or auto"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn without_an_adapter_a_gpu_is_an_error_and_auto_is_the_cpu() {
    let home = Home::new();
    let without = |args: &[&str]| {
        let mut command = home.command(args);
        command
            .env_remove("RANKSCOPE_DEVICE")
            .env("VK_DRIVER_FILES", "/nonexistent")
            .env("VK_ICD_FILENAMES", "/nonexistent");
        command.output().unwrap()
    };
    let args = ["rank", "--model", "glass-en", "--ids", "1,2,3", "--device", "gpu"];
    let said = error_of(&args, &without(&args), 1);
    assert!(said.contains("no GPU") && said.contains("driver"), "{said}");
    assert!(without(&["rank", "--model", "glass-en", "--ids", "1,2,3", "--device", "auto"]).status.success());
}

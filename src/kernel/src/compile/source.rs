//! A cell's source without what evcxr puts into every cell: the shared library has that, compiled once.

/// The text before and after evcxr's module.
const MODULE: [&str; 2] = ["\nmod evcxr_internal_runtime {\n", "}\n#[unsafe(no_mangle)]\n"];
/// The FNV-1a hash of the one module that the shared library replaces; another version of it is not replaced.
const MODULE_HASH: u64 = 0x5e2a_68d5_2347_918d;

/// The code that evcxr puts before a cell that uses `?`, in its default format of errors.
const ERROR: &str = r#"
            struct EvcxrUserCodeError {}
            impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {
                fn from(error: T) -> Self {
                    eprintln!("{}", error);
                    println!("{}", evcxr_internal_runtime::USER_ERROR_OCCURRED);
                    EvcxrUserCodeError {}
                }
            }
        "#;

/// The source with the shared library's module and error in place of evcxr's; no line moves. `None` if evcxr's module
/// is missing or is another version.
pub fn shortened(source: &str) -> Option<String> {
    let [before, behind] = MODULE;
    let (head, rest) = source.split_once(before)?;
    let (module, tail) = rest.split_once(behind)?;
    if fnv(module.as_bytes()) != MODULE_HASH || tail.contains(before) {
        return None;
    }
    let empty = |text: &str| "\n".repeat(text.matches('\n').count());
    let head = match head.split_once(ERROR) {
        Some((items, rest)) => format!("{items}use ::rankscope::EvcxrUserCodeError;{}{rest}", empty(ERROR)),
        None => head.to_owned(),
    };
    let module = empty(module);
    Some(format!("{head}{before}pub use ::rankscope::evcxr_internal_runtime::*;{module}{behind}{tail}"))
}

/// The hash of Fowler, Noll and Vo, 1a, of 64 bits.
pub fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn another_module_is_left_alone() {
        let [before, behind] = MODULE;
        assert_eq!(shortened(&format!("use x;{before}pub fn f() {{}}\n{behind}pub fn g() {{}}")), None);
        assert_eq!(shortened("fn f() {}"), None);
    }
}

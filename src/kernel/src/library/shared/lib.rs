//! The crate of the shared library for cells: rankscope, and what evcxr puts around every cell.

pub use rankscope::*;

/// # Safety
/// `link` points at a link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rankscope_notebook_link(link: *const rankscope::notebook::Link) {
    rankscope::notebook::link(unsafe { *link });
}

#[unsafe(no_mangle)]
pub extern "C" fn rankscope_notebook_flush() {
    rankscope::notebook::flush();
}

/// The error by which `?` ends a cell, with Display as evcxr does it by default.
pub struct EvcxrUserCodeError;

impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {
    fn from(error: T) -> Self {
        evcxr_internal_runtime::ended_by(format_args!("{error}\n"));
        EvcxrUserCodeError
    }
}

/// evcxr's module of this name, with the same fields and functions, compiled once. What is generic is compiled again
/// in every cell that calls it, so it does as little as possible.
pub mod evcxr_internal_runtime {
    use std::any::Any;
    use std::collections::HashMap;
    use std::fmt::Arguments;
    use std::sync::Arc;

    pub const VARIABLE_CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
    pub const USER_ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";

    pub struct VariableStore {
        variables: HashMap<String, Box<dyn Any + 'static>>,
    }

    impl VariableStore {
        pub fn new() -> VariableStore {
            VariableStore { variables: HashMap::new() }
        }

        pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
            self.put(name, Box::new(value));
        }

        pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
            self.get(name).is_none_or(|value| value.is::<T>()) || lost(name)
        }

        pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
            match self.take(name).downcast() {
                Ok(value) => *value,
                // Shouldn't happen so long as check_variable was called.
                Err(_) => panic!("Variable changed type"),
            }
        }

        pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> Arc<T> {
            if self.get(name).is_none() {
                self.put(name, Box::new(Arc::new(create())));
            }
            match self.get(name).and_then(|value| value.downcast_ref()) {
                Some(value) => Arc::clone(value),
                None => panic!("lazy_arc {name} changed type"),
            }
        }

        pub fn merge(&mut self, mut other: VariableStore) {
            self.variables.extend(other.variables.drain());
        }

        #[inline(never)]
        fn put(&mut self, name: &str, value: Box<dyn Any>) {
            self.variables.insert(name.to_owned(), value);
        }

        #[inline(never)]
        fn get(&self, name: &str) -> Option<&dyn Any> {
            self.variables.get(name).map(|value| &**value)
        }

        #[inline(never)]
        fn take(&mut self, name: &str) -> Box<dyn Any> {
            match self.variables.remove(name) {
                Some(value) => value,
                None => panic!("Variable '{name}' has gone missing"),
            }
        }
    }

    #[inline(never)]
    fn lost(name: &str) -> bool {
        rankscope::notebook::eprint(
            format_args!("The type of the variable {name} was redefined, so was lost."),
            true,
        );
        // To evcxr, by the name of this module.
        rankscope::notebook::print(format_args!("{VARIABLE_CHANGED_TYPE}{name}"), true, module_path!());
        false
    }

    #[inline(never)]
    pub(super) fn ended_by(error: Arguments<'_>) {
        rankscope::notebook::unsure(error);
        rankscope::notebook::failed();
    }

    pub fn create_variable_store() -> *mut VariableStore {
        Box::into_raw(Box::new(VariableStore::new()))
    }
}

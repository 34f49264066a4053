//! The crate of the shared library for cells: rankscope, and what evcxr puts around every cell.

pub use rankscope::*;

/// # Safety
/// `link` points at a valid `Link`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rankscope_notebook_link(link: *const rankscope::notebook::Link) {
    rankscope::notebook::link(unsafe { *link });
}

#[unsafe(no_mangle)]
pub extern "C" fn rankscope_notebook_flush() {
    rankscope::notebook::flush();
}

/// # Safety
/// `message` points at `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rankscope_notebook_call(message: *const u8, length: usize) {
    rankscope::notebook::call(unsafe { std::slice::from_raw_parts(message, length) });
}

/// The error by which `?` ends a cell; the error is printed with Display, as evcxr does by default.
pub struct EvcxrUserCodeError;

impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {
    fn from(error: T) -> Self {
        evcxr_internal_runtime::ended_by(format_args!("{error}\n"));
        EvcxrUserCodeError
    }
}

/// evcxr's module of this name, with the same fields and functions, compiled once. Generic functions are compiled again
/// in every cell that calls them, so they do as little as possible.
pub mod evcxr_internal_runtime {
    use std::alloc::{Layout, dealloc};
    use std::any::{Any, TypeId};
    use std::collections::HashMap;
    use std::fmt::Arguments;
    use std::mem::MaybeUninit;
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
            self.check(name, TypeId::of::<T>())
        }

        pub fn lost_variable(&self, name: &str) -> bool {
            lost(name)
        }

        pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
            let mut value = MaybeUninit::<T>::uninit();
            // SAFETY: there is room for a `T`, and `take` writes one or panics.
            unsafe {
                self.take(name, TypeId::of::<T>(), value.as_mut_ptr().cast());
                value.assume_init()
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
        fn check(&self, name: &str, id: TypeId) -> bool {
            self.get(name).is_none_or(|value| value.type_id() == id) || lost(name)
        }

        /// Moves a value out of its box. A `Box<T>` with its downcast and its drop would be compiled for every type in
        /// every cell.
        ///
        /// # Safety
        /// There is room for a value of this type at `to`.
        #[inline(never)]
        unsafe fn take(&mut self, name: &str, id: TypeId, to: *mut u8) {
            let Some(value) = self.variables.remove(name) else {
                panic!("Variable '{name}' has gone missing")
            };
            // Shouldn't happen so long as check_variable was called.
            assert!((*value).type_id() == id, "Variable changed type");
            let layout = Layout::for_value(&*value);
            let from = Box::into_raw(value).cast::<u8>();
            // SAFETY: the caller's promise; the box had this layout, and its value is elsewhere now.
            unsafe {
                from.copy_to_nonoverlapping(to, layout.size());
                if layout.size() > 0 {
                    dealloc(from, layout);
                }
            }
        }
    }

    #[inline(never)]
    fn lost(name: &str) -> bool {
        rankscope::notebook::eprint(
            format_args!("The type of the variable {name} was redefined, so was lost."),
            true,
        );
        // The name of this module makes `print` send the text to evcxr.
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

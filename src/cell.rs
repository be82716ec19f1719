//! The memory of a task: one allocation, a header that everybody can read and a body whose type only the
//! operations in the header's table know.
//!
//! Who may touch the body when is the matter of [`crate::task`]; this file only knows how.

use std::{mem::ManuallyDrop, ptr::NonNull, thread};

use crate::{
    sync::{Futex, UnsafeCell},
    unwind,
};

/// What does not depend on the closure's type; the first field of every cell.
pub(crate) struct Header {
    pub(crate) state: Futex,
    pub(crate) vtable: &'static Vtable,
}

/// The operations that know the types.
pub(crate) struct Vtable {
    /// Consumes the closure and writes its result.
    pub(crate) run: unsafe fn(NonNull<Header>),
    /// The place of the result, a `thread::Result<T>`.
    pub(crate) result: unsafe fn(NonNull<Header>) -> *mut (),
    /// Drops the result, quietly.
    pub(crate) drop_result: unsafe fn(NonNull<Header>),
    /// Frees the cell, whose body is empty.
    pub(crate) free: unsafe fn(NonNull<Header>),
}

// `repr(C)`: both fields begin where the body begins.
#[repr(C)]
union Body<F, T> {
    closure: ManuallyDrop<F>,
    result: ManuallyDrop<thread::Result<T>>,
}

/// A task's whole memory.
#[repr(C)]
pub(crate) struct Cell<F, T> {
    header: Header,
    body: UnsafeCell<Body<F, T>>,
}

impl<F, T> Cell<F, T>
where
    F: FnOnce() -> T,
{
    /// A new cell that holds `closure`.
    pub(crate) fn allocate(closure: F) -> NonNull<Header> {
        let cell = Box::new(Cell::<F, T> {
            header: Header { state: Futex::new(0), vtable: &Self::VTABLE },
            body: UnsafeCell::new(Body { closure: ManuallyDrop::new(closure) }),
        });
        NonNull::from(Box::leak(cell)).cast::<Header>()
    }

    const VTABLE: Vtable =
        Vtable { run: Self::run, result: Self::result, drop_result: Self::drop_result, free: Self::free };

    /// The body of the cell at `header`.
    ///
    /// # Safety
    /// `header` is the header of a live `Cell<F, T>`.
    unsafe fn body<'a>(header: NonNull<Header>) -> &'a UnsafeCell<Body<F, T>> {
        // SAFETY: the header is the first field of a `repr(C)` cell, and the pointer came from the whole cell.
        let cell = unsafe { header.cast::<Cell<F, T>>().as_ref() };
        &cell.body
    }

    /// Takes the closure out.
    ///
    /// # Safety
    /// As for `body`; the body holds the closure, and is the caller's.
    pub(crate) unsafe fn take_closure(header: NonNull<Header>) -> F {
        // SAFETY: the caller's promise.
        let body = unsafe { Self::body(header) };
        body.with_mut(|body| {
            // SAFETY: the body is the caller's.
            let body = unsafe { &mut *body };
            // SAFETY: it holds the closure, which is not used again.
            unsafe { ManuallyDrop::take(&mut body.closure) }
        })
    }

    /// # Safety
    /// As for `take_closure`.
    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: the caller's promise.
        let closure = unsafe { Self::take_closure(header) };
        let result = unwind::catch(closure);
        // SAFETY: the caller's promise.
        let body = unsafe { Self::body(header) };
        body.with_mut(|body| {
            // SAFETY: the body is the caller's, and empty.
            unsafe { body.write(Body { result: ManuallyDrop::new(result) }) }
        });
    }

    /// # Safety
    /// As for `body`; the body is the caller's.
    unsafe fn result(header: NonNull<Header>) -> *mut () {
        // SAFETY: the caller's promise.
        let body = unsafe { Self::body(header) };
        body.with_mut(|body| body.cast::<()>())
    }

    /// # Safety
    /// As for `body`; the body holds the result, and is the caller's.
    unsafe fn drop_result(header: NonNull<Header>) {
        // SAFETY: the caller's promise.
        let body = unsafe { Self::body(header) };
        let result = body.with_mut(|body| {
            // SAFETY: the body is the caller's.
            let body = unsafe { &mut *body };
            // SAFETY: it holds the result, which is not used again.
            unsafe { ManuallyDrop::take(&mut body.result) }
        });
        unwind::drop_quietly(result);
    }

    /// Frees the cell.
    ///
    /// # Safety
    /// As for `body`; both sides have left (TASK-1 in `crate::task`) and the body is empty.
    pub(crate) unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the cell came from `Box::leak` in `allocate`, and nobody else has it any more.
        drop(unsafe { Box::from_raw(header.cast::<Cell<F, T>>().as_ptr()) });
    }
}

//! Locks that a panic doesn't close for good.
//!
//! A panic is a bug of ours that costs one request. A lock that is refused from then on because its
//! holder panicked would cost the whole mount: so every lock is taken here, whoever held it last.
//! Where one guards more than a single value, the code beside it says why that is whole whenever a
//! panic is possible.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

/// Takes `mutex`.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets `guard` go until `condvar` is notified, and takes it again.
pub fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Takes `lock` together with other readers.
pub fn shared<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Takes `lock` alone.
pub fn alone<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn what_a_panic_poisoned_can_be_taken_as_before() {
        let (mutex, rwlock, condvar) = (Mutex::new(1), RwLock::new(2), Condvar::new());
        let holder = catch_unwind(AssertUnwindSafe(|| {
            let _held = (lock(&mutex), alone(&rwlock));
            panic!("planted");
        }));
        assert!(holder.is_err());
        assert!(mutex.is_poisoned() && rwlock.is_poisoned());
        *lock(&mutex) = 3;
        *alone(&rwlock) = 4;
        assert_eq!((*lock(&mutex), *shared(&rwlock)), (3, 4));
        std::thread::scope(|scope| {
            let mut waiting = lock(&mutex);
            scope.spawn(|| {
                *lock(&mutex) = 5;
                condvar.notify_all();
            });
            while *waiting != 5 {
                waiting = wait(&condvar, waiting);
            }
        });
    }
}

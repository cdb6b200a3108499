//! `_core.SubscriptionQueue`: what waits for one subscriber of a channel.

use super::channels::{Taken, data_object, wake};
use crate::wait::Wait;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use runtime::channels::{ChannelsHandle, Subscription};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

static LAST_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Those of this thread's shard. Python may drop its object on any thread, so that only names
    /// its subscription.
    static SUBSCRIPTIONS: RefCell<HashMap<u64, Rc<Subscription>>> = RefCell::default();
}

/// Ends all subscriptions of a shard that ends.
pub(crate) fn forget_all() {
    drop(SUBSCRIPTIONS.with(RefCell::take));
}

fn forget(id: u64) -> Option<Rc<Subscription>> {
    let taken = SUBSCRIPTIONS.try_with(|known| known.borrow_mut().remove(&id));
    taken.ok().flatten()
}

/// The queue of one subscription, for the shard's own thread.
#[pyclass(frozen, module = "fasterapi._core")]
pub(crate) struct SubscriptionQueue {
    id: u64,
    handle: ChannelsHandle,
}

impl SubscriptionQueue {
    pub(crate) fn new(subscription: Subscription, handle: ChannelsHandle) -> Self {
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        SUBSCRIPTIONS.with(|known| known.borrow_mut().insert(id, Rc::new(subscription)));
        Self { id, handle }
    }

    fn subscription(&self) -> PyResult<Rc<Subscription>> {
        SUBSCRIPTIONS
            .with(|known| known.borrow().get(&self.id).cloned())
            .ok_or_else(|| {
                PyRuntimeError::new_err("the subscription belongs to another thread's event loop")
            })
    }
}

impl Drop for SubscriptionQueue {
    fn drop(&mut self) {
        // Dropped outside of the borrow: it wakes who waits.
        let own = forget(self.id);
        if own.is_none() {
            let id = self.id;
            self.handle.post(move |_| drop(forget(id)));
        }
    }
}

#[pymethods]
impl SubscriptionQueue {
    /// Takes the oldest message; `None` when none waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Taken<'py>>> {
        let Some(message) = self.subscription()?.take() else {
            return Ok(None);
        };
        let data = data_object(py, message.kind, &message.data)?;
        Ok(Some((data, message.id.to_string())))
    }

    /// Done when `take` has something, or after `close`.
    fn arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Wait>> {
        let wait = Wait::new(py)?;
        self.subscription()?.notify(wake(&wait));
        Ok(wait)
    }

    /// How many messages were dropped because nobody took them in time.
    #[getter]
    fn dropped(&self) -> PyResult<u64> {
        Ok(self.subscription()?.dropped())
    }

    /// Whether `close` has been called.
    #[getter]
    fn closed(&self) -> PyResult<bool> {
        Ok(self.subscription()?.is_closed())
    }

    /// Ends the subscription; what has come can still be taken.
    fn close(&self) -> PyResult<()> {
        self.subscription()?.close();
        Ok(())
    }
}

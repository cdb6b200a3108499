//! `_core.Channels`: the channels of a shard, for `fasterapi.channels`.
//!
//! They live on the shard's thread. The Python object holds the way in for other threads, and is
//! that thread's own door where it is used there.

use crate::convert::json_out;
use crate::wait::Wait;
use pyo3::exceptions::{PyRuntimeError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyMemoryView, PyString};
use runtime::channels::{
    ChannelError, ChannelMessage, Channels, ChannelsHandle, Lag, MessageId, MessageKind, Tap,
};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The channels that were made last in this process, for threads that belong to no shard.
static NEWEST: Mutex<Option<Py<PyChannels>>> = Mutex::new(None);
/// What tells this server from others that share its channels.
static NODE: OnceLock<String> = OnceLock::new();

thread_local! {
    /// The shard's on its own thread and on those of its pool.
    static OF_THREAD: RefCell<Option<Py<PyChannels>>> = const { RefCell::new(None) };
    static TAP: RefCell<Option<Rc<Tap>>> = const { RefCell::new(None) };
}

/// Makes the channels of this thread, which runs a shard; `identity` is its process number and the
/// name of its server, if it has any.
pub(crate) fn install(py: Python<'_>, identity: Option<(u32, &str)>) -> PyResult<()> {
    let channels = Channels::current();
    if let Some((process, node)) = identity {
        channels.set_process(process);
        let _ = NODE.set(node.to_owned());
    }
    let known = OF_THREAD.with(|known| known.borrow().is_some());
    if known {
        return Ok(());
    }
    let handle = channels.handle().clone();
    let object = Py::new(py, PyChannels { handle })?;
    let newest = object.clone_ref(py);
    adopt(Some(object));
    let former = lock_newest().replace(newest);
    drop(former);
    Ok(())
}

/// Ends the channels of this thread, whose reactor ends.
pub(crate) fn uninstall() {
    drop(TAP.with(RefCell::take));
    super::subscription_queue::forget_all();
    Channels::uninstall();
    drop(OF_THREAD.with(RefCell::take));
}

/// The channels that threads of this thread's pool are to use.
pub(crate) fn of_thread(py: Python<'_>) -> Option<Py<PyChannels>> {
    OF_THREAD.with(|known| known.borrow().as_ref().map(|object| object.clone_ref(py)))
}

/// Uses the channels of a shard on a thread of its pool.
pub(crate) fn adopt(channels: Option<Py<PyChannels>>) {
    let former = OF_THREAD.with(|known| known.replace(channels));
    drop(former);
}

fn lock_newest() -> std::sync::MutexGuard<'static, Option<Py<PyChannels>>> {
    NEWEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The channels of the shard that this thread belongs to; `None` on other threads.
#[pyfunction]
pub(crate) fn current_channels(py: Python<'_>) -> Option<Py<PyChannels>> {
    of_thread(py)
}

/// The channels of the shard that was started last in this process and runs still.
#[pyfunction]
pub(crate) fn newest_channels(py: Python<'_>) -> Option<Py<PyChannels>> {
    let newest = lock_newest();
    let open = newest
        .as_ref()
        .filter(|object| !object.get().handle.is_closed());
    open.map(|object| object.clone_ref(py))
}

/// The exception for what is wrong with a call.
pub(crate) fn refused(error: ChannelError) -> PyErr {
    match error {
        ChannelError::NameInvalid
        | ChannelError::MessageTooLarge
        | ChannelError::KeepInvalid
        | ChannelError::TooMany => PyValueError::new_err(error.to_string()),
        ChannelError::Stalled => PyTimeoutError::new_err(error.to_string()),
        ChannelError::Closed => PyRuntimeError::new_err(error.to_string()),
    }
}

/// What becomes of a receiver that does not keep up.
pub(crate) fn lag_of(on_lag: &str) -> PyResult<Lag> {
    match on_lag {
        "disconnect" => Ok(Lag::Disconnect),
        "drop" => Ok(Lag::DropOldest),
        _ => Err(PyValueError::new_err(
            "on_lag must be \"disconnect\" or \"drop\"",
        )),
    }
}

/// What is published of an object: text of `str`, the bytes of `bytes`, JSON of all else.
fn encode(message: &Bound<'_, PyAny>) -> PyResult<(MessageKind, Vec<u8>)> {
    if let Ok(text) = message.cast::<PyString>() {
        return Ok((MessageKind::Text, text.to_str()?.as_bytes().to_vec()));
    }
    if let Ok(bytes) = message.cast::<PyBytes>() {
        return Ok((MessageKind::Binary, bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = message.cast::<PyByteArray>() {
        return Ok((MessageKind::Binary, bytes.to_vec()));
    }
    if message.is_instance_of::<PyMemoryView>() {
        let bytes = message.call_method0(pyo3::intern!(message.py(), "tobytes"))?;
        return Ok((MessageKind::Binary, bytes.extract()?));
    }
    Ok((MessageKind::Text, json_out::to_json(message)?))
}

/// The data of a message as Python has it.
pub(crate) fn data_object<'py>(
    py: Python<'py>,
    kind: MessageKind,
    data: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(match kind {
        // Checked where it came in.
        MessageKind::Text => PyString::from_bytes(py, data)?.into_any(),
        MessageKind::Binary => PyBytes::new(py, data).into_any(),
    })
}

/// A message's data and id.
pub(crate) type Taken<'py> = (Bound<'py, PyAny>, String);

/// The text that a client returns; what is no id of ours counts as older than all.
pub(crate) fn parse_after(after: Option<&str>) -> Option<MessageId> {
    after.map(|text| text.parse().unwrap_or_default())
}

/// A message that can cross threads.
struct Flat {
    id: MessageId,
    kind: MessageKind,
    data: Vec<u8>,
}

impl Flat {
    fn of(message: &ChannelMessage) -> Self {
        Self {
            id: message.id,
            kind: message.kind,
            data: message.data.clone(),
        }
    }
}

/// The channels of one shard.
#[pyclass(frozen, name = "Channels", module = "fasterapi._core")]
pub(crate) struct PyChannels {
    handle: ChannelsHandle,
}

impl PyChannels {
    /// The channels themselves, on their own thread.
    pub(crate) fn local(&self) -> Option<Rc<Channels>> {
        Channels::try_current().filter(|channels| channels.handle() == &self.handle)
    }

    fn own(&self) -> PyResult<Rc<Channels>> {
        self.local()
            .ok_or_else(|| PyRuntimeError::new_err("only on the shard's own thread"))
    }

    /// Asks the channels something, from any thread.
    fn ask<T: Send + 'static>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&Channels) -> T + Send + 'static,
    ) -> PyResult<T> {
        match self.local() {
            Some(channels) => Ok(question(&channels)),
            None => py.detach(|| self.handle.ask(question)).map_err(refused),
        }
    }
}

#[pymethods]
impl PyChannels {
    /// Publishes from any thread; returns the message's id.
    fn publish(&self, channel: &str, message: &Bound<'_, PyAny>) -> PyResult<String> {
        let py = message.py();
        let (kind, data) = encode(message)?;
        let id = match self.local() {
            Some(channels) => channels.publish(channel, kind, data),
            None => py.detach(|| self.handle.publish(channel, kind, data)),
        };
        id.map(|id| id.to_string()).map_err(refused)
    }

    /// Delivers what another server has published, on this shard.
    fn deliver(
        &self,
        py: Python<'_>,
        channel: &str,
        id: &str,
        is_text: bool,
        data: &[u8],
    ) -> PyResult<()> {
        let kind = match is_text {
            true if str::from_utf8(data).is_err() => {
                return Err(PyValueError::new_err("the text is not UTF-8"));
            }
            true => MessageKind::Text,
            false => MessageKind::Binary,
        };
        let id: MessageId = id.parse().unwrap_or_default();
        let data = data.to_vec();
        let delivered = match self.local() {
            Some(channels) => channels.publish_foreign(channel, id, kind, data),
            None => py.detach(|| self.handle.publish_foreign(channel, id, kind, data)),
        };
        delivered.map_err(refused)
    }

    /// A queue of the channel's messages; only on the shard's thread.
    fn subscribe(
        &self,
        channel: &str,
        after: Option<&str>,
        queue_messages_max: usize,
    ) -> PyResult<super::subscription_queue::SubscriptionQueue> {
        let subscription = self
            .own()?
            .subscribe(channel, queue_messages_max, parse_after(after))
            .map_err(refused)?;
        Ok(super::subscription_queue::SubscriptionQueue::new(
            subscription,
            self.handle.clone(),
        ))
    }

    /// Keeps messages of a channel, or of all whose names begin alike.
    fn keep(&self, py: Python<'_>, pattern: String, messages_max: usize) -> PyResult<()> {
        self.ask(py, move |channels| channels.keep(&pattern, messages_max))?
            .map_err(refused)
    }

    /// What is kept of a channel, oldest first.
    fn history<'py>(
        &self,
        py: Python<'py>,
        channel: String,
        after: Option<&str>,
    ) -> PyResult<Vec<Taken<'py>>> {
        let after = parse_after(after);
        let flat = |messages: Vec<Rc<ChannelMessage>>| -> Vec<Flat> {
            messages.iter().map(|message| Flat::of(message)).collect()
        };
        let kept = self.ask(py, move |channels| flat(channels.history(&channel, after)))?;
        let object = |message: Flat| {
            let data = data_object(py, message.kind, &message.data)?;
            Ok((data, message.id.to_string()))
        };
        kept.into_iter().map(object).collect()
    }

    /// How many have joined or subscribed, on all shards.
    fn presence(&self, py: Python<'_>, channel: String) -> PyResult<u64> {
        self.ask(py, move |channels| channels.presence(&channel))
    }

    /// What has been counted.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.ask(py, Channels::stats)?;
        let dict = PyDict::new(py);
        for (name, value) in [
            ("channels", stats.channels),
            ("members", stats.members),
            ("keep_rules", stats.keep_rules),
            ("kept_channels", stats.kept_channels),
            ("kept_messages", stats.kept_messages),
            ("kept_bytes", stats.kept_bytes),
            ("peers", stats.peers),
            ("waiting_to_send", stats.waiting_to_send),
            ("published", stats.published),
            ("received", stats.received),
            ("foreign", stats.foreign),
            ("delivered", stats.delivered),
            ("dropped_by_subscriptions", stats.dropped_by_subscriptions),
            ("dropped_to_peers", stats.dropped_to_peers),
            ("dropped_to_backplane", stats.dropped_to_backplane),
            ("malformed_packets", stats.malformed_packets),
        ] {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    /// What tells this server from others; `None` without a supervisor.
    #[getter]
    fn node(&self) -> Option<&'static str> {
        NODE.get().map(String::as_str)
    }

    /// True when the shard is gone.
    #[getter]
    fn closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Gives out what is published from now on, for a backplane; only on the shard's thread.
    fn tap(&self) -> PyResult<()> {
        let tap = self.own()?.tap();
        let former = TAP.with(|known| known.replace(Some(tap)));
        drop(former);
        Ok(())
    }

    /// Ends what `tap` began.
    fn untap(&self) -> PyResult<()> {
        self.own()?.untap();
        drop(TAP.with(RefCell::take));
        Ok(())
    }

    /// The channel, data and id of the next message for the backplane.
    fn take_published<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(String, Bound<'py, PyAny>, String)>> {
        let tap = TAP.with(|tap| tap.borrow().clone());
        let Some(published) = tap.and_then(|tap| tap.take()) else {
            return Ok(None);
        };
        let message = &published.message;
        let data = data_object(py, message.kind, &message.data)?;
        Ok(Some((
            published.channel.as_ref().to_owned(),
            data,
            message.id.to_string(),
        )))
    }

    /// Done when `take_published` has something.
    fn published_arrival<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Wait>> {
        let wait = Wait::new(py)?;
        if let Some(tap) = TAP.with(|tap| tap.borrow().clone()) {
            tap.notify(wake(&wait));
        }
        Ok(wait)
    }
}

/// What completes `wait` when it is called, whatever runs just then.
pub(crate) fn wake(wait: &Bound<'_, Wait>) -> Box<dyn FnOnce()> {
    let waiting = wait.clone().unbind();
    Box::new(move || Python::attach(|py| Wait::finish_soon(waiting.bind(py), Ok(py.None()))))
}

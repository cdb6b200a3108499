//! CPython answers: the command line, the supervisor, and the shard that embeds the interpreter.

mod access_log;
pub mod affinity;
pub mod cli;
pub mod control;
mod convert;
pub mod env_file;
pub mod error;
mod event_loop;
mod exchange;
mod handler;
mod import_app;
mod interpreter;
pub mod listeners;
pub mod logging;
pub mod options;
mod pending;
mod pip_form;
pub mod preflight;
mod python_application;
mod python_module;
mod python_package;
mod request_task;
pub mod shard_process;
pub mod supervisor;
pub mod systemd;
mod task_interface;
mod thread_pool;
mod ticker;

pub use python_module::core_module;

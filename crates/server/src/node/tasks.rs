//! What runs in the background for a node.

use tokio::task::JoinHandle;

/// What runs for a node, and ends with it, also with one that could not be opened to its end.
#[derive(Default)]
pub(super) struct Tasks(Vec<JoinHandle<()>>);

impl Tasks {
    /// On the runtime that this is called on.
    pub(super) fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task));
    }

    /// Ends them, and waits for that.
    pub(super) async fn end(mut self) {
        self.0.iter().for_each(JoinHandle::abort);
        for task in std::mem::take(&mut self.0) {
            let _ = task.await;
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

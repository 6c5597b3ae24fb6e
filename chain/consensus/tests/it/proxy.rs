//! Connections that outlive one of their ends, as those to a machine without power do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards TCP connections. When one end closes, the other is told nothing until
/// [`Lingering::let_go`]; new connections go on as ever.
#[derive(Clone)]
pub(crate) struct Lingering {
    gone: watch::Sender<bool>,
    held: watch::Sender<usize>,
}

impl Lingering {
    pub(crate) fn new() -> Self {
        Self {
            gone: watch::Sender::new(false),
            held: watch::Sender::new(0),
        }
    }

    /// Forwards connections to a port of its own to `target`; returns the port.
    pub(crate) async fn before(&self, target: SocketAddr, tasks: &mut JoinSet<()>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let world = self.clone();
        tasks.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                running.spawn(world.clone().forward(near, target));
            }
        });
        port
    }

    async fn forward(self, near: TcpStream, target: SocketAddr) {
        let Ok(far) = TcpStream::connect(target).await else {
            return;
        };
        for stream in [&near, &far] {
            stream.set_nodelay(true).unwrap();
        }
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
            (near.into_split(), far.into_split());
        tokio::select! {
            () = copy(&mut near_in, &mut far_out) => {}
            () = copy(&mut far_in, &mut near_out) => {}
        }
        // All halves live on here, so no socket is closed yet.
        self.held.send_modify(|held| *held += 1);
        self.gone.subscribe().wait_for(|gone| *gone).await.unwrap();
    }

    /// Waits until `count` connections have only one end.
    pub(crate) async fn holds(&self, count: usize) {
        let mut held = self.held.subscribe();
        held.wait_for(|held| *held >= count).await.unwrap();
    }

    /// Closes what has only one end, from now on at once.
    pub(crate) fn let_go(&self) {
        self.gone.send_replace(true);
    }
}

/// Copies until the reader ends or the writer fails.
async fn copy(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

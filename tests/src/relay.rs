//! A TCP relay in front of a server: the way back can be shut, so that one client knows less than another for a while.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Its threads end with their connections, and the one that accepts with it.
#[derive(Debug)]
pub struct Relay {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    shut: Mutex<bool>,
    opened: Condvar,
    asked: AtomicUsize,
    over: AtomicBool,
}

impl Relay {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let accepts = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepts.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                let (client_in, server_in) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (there, back) = (accepts.clone(), accepts.clone());
                std::thread::spawn(move || {
                    pump(client_in, server, |n| {
                        there.asked.fetch_add(n, Ordering::SeqCst);
                    });
                });
                std::thread::spawn(move || pump(server_in, client, |_| back.wait_open()));
            }
        });
        Self { port: own, shared }
    }

    /// From now on the client hears nothing; what it says still arrives.
    pub fn shut(&self) {
        *self.shared.lock() = true;
    }

    /// It hears all of what it missed, in its order.
    pub fn open(&self) {
        *self.shared.lock() = false;
        self.shared.opened.notify_all();
    }

    /// Bytes that clients have sent so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.open();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_open(&self) {
        let mut shut = self.lock();
        while *shut {
            shut = self
                .opened
                .wait(shut)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, before: impl Fn(usize)) {
    let mut buffer = [0; 16_384];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        before(n);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

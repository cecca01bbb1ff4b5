//! A vMix that is none: its TCP API as documented (<https://www.vmix.com/help28/TCPAPI.html>), with inputs, titles and
//! tally, and nothing behind it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// One input: its title, and the text fields of a title input, in order.
#[derive(Debug, Clone, Default)]
pub struct Input {
    pub title: String,
    pub texts: Vec<(String, String)>,
}

impl Input {
    pub fn new(title: &str, fields: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            texts: fields
                .iter()
                .map(|f| ((*f).to_owned(), "as made".to_owned()))
                .collect(),
        }
    }

    fn key(&self) -> String {
        format!("key-of-{}", self.title.to_lowercase().replace(' ', "-"))
    }
}

#[derive(Debug, Default)]
struct World {
    inputs: Vec<Input>,
    tally: String,
    /// Request lines, as they came.
    asked: Vec<String>,
    subscribed: Vec<TcpStream>,
    connections: Vec<TcpStream>,
    opened: usize,
    stalled: bool,
    /// Requests that came before the last one was answered: vMix asks clients not to.
    hasty: usize,
    stopping: bool,
}

/// Listens on a port of its own until dropped or killed.
#[derive(Debug)]
pub struct FakeVmix {
    pub port: u16,
    inputs: Vec<Input>,
    world: Arc<Mutex<World>>,
    listening: Option<JoinHandle<()>>,
}

impl FakeVmix {
    pub fn start(inputs: Vec<Input>) -> Self {
        let mut vmix = Self {
            port: 0,
            inputs,
            world: Arc::default(),
            listening: None,
        };
        vmix.boot();
        vmix
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts (again) where it was, with its titles as they were made.
    pub fn boot(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        self.world = Arc::new(Mutex::new(World {
            inputs: self.inputs.clone(),
            tally: "0".repeat(self.inputs.len()),
            ..World::default()
        }));
        let world = Arc::clone(&self.world);
        self.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if lock(&world).stopping {
                    return;
                }
                let world = Arc::clone(&world);
                std::thread::spawn(move || serve(stream, &world));
            }
        }));
    }

    /// As a crash: connections break, the port refuses.
    pub fn kill(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        lock(&self.world).stopping = true;
        // Wakes the listener.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        listening.join().unwrap();
        for stream in lock(&self.world).connections.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// From now on everything is accepted and nothing answered.
    pub fn stall(&self) {
        lock(&self.world).stalled = true;
    }

    /// Cuts: `digits` has one for each input.
    pub fn tally(&self, digits: &str) {
        let mut world = lock(&self.world);
        world.tally = digits.to_owned();
        let line = format!("TALLY OK {digits}\r\n");
        world
            .subscribed
            .retain_mut(|stream| stream.write_all(line.as_bytes()).is_ok());
    }

    /// Moves an input before all others.
    pub fn move_first(&self, title: &str) {
        let mut world = lock(&self.world);
        let at = world
            .inputs
            .iter()
            .position(|input| input.title == title)
            .unwrap();
        let input = world.inputs.remove(at);
        world.inputs.insert(0, input);
    }

    pub fn text(&self, title: &str, field: &str) -> String {
        let world = lock(&self.world);
        let input = world
            .inputs
            .iter()
            .find(|input| input.title == title)
            .unwrap();
        input
            .texts
            .iter()
            .find(|(name, _)| name == field)
            .unwrap()
            .1
            .clone()
    }

    pub fn asked(&self) -> Vec<String> {
        lock(&self.world).asked.clone()
    }

    /// Connections that were ever opened, and requests that did not wait for their turn.
    pub fn opened_and_hasty(&self) -> (usize, usize) {
        let world = lock(&self.world);
        (world.opened, world.hasty)
    }
}

impl Drop for FakeVmix {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, world: &Mutex<World>) {
    {
        let mut world = lock(world);
        world.opened += 1;
        world.connections.push(stream.try_clone().unwrap());
        if !world.stalled {
            let _ = stream.write_all(b"VERSION OK 27.0.0.49\r\n");
        }
    }
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while matches!(lines.read_line(&mut line), Ok(1..)) {
        let mut world = lock(world);
        world.hasty += usize::from(!lines.buffer().is_empty());
        let asked = line.trim_end_matches("\r\n").to_owned();
        assert!(line.ends_with("\r\n"), "{line:?}");
        world.asked.push(asked.clone());
        line.clear();
        if world.stalled {
            continue;
        }
        let answer = answer(&mut world, &stream, &asked);
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(world: &mut World, stream: &TcpStream, asked: &str) -> String {
    match asked.split_once(' ').unwrap_or((asked, "")) {
        ("SUBSCRIBE", "TALLY") => {
            world.subscribed.push(stream.try_clone().unwrap());
            "SUBSCRIBE OK TALLY\r\n".into()
        }
        ("TALLY", "") => format!("TALLY OK {}\r\n", world.tally),
        ("XML", "") => {
            let body = state(world);
            format!("XML {}\r\n{body}", body.len())
        }
        ("FUNCTION", call) => match function(world, call) {
            Ok(name) => format!("FUNCTION OK {name}\r\n"),
            Err(why) => format!("FUNCTION ER {why}\r\n"),
        },
        (command, _) => format!("{command} ER Unknown command\r\n"),
    }
}

fn state(world: &World) -> String {
    let escaped = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
    };
    let inputs = world.inputs.iter().enumerate().map(|(n, input)| {
        let texts = input.texts.iter().enumerate().map(|(i, (name, text))| {
            format!("<text index=\"{i}\" name=\"{}\">{}</text>", escaped(name), escaped(text))
        });
        format!(
            "<input key=\"{}\" number=\"{}\" type=\"GT\" title=\"{t}\" shortTitle=\"{t}\" state=\"Paused\">{t}{}</input>\r\n",
            escaped(&input.key()),
            n + 1,
            texts.collect::<String>(),
            t = escaped(&input.title)
        )
    });
    format!(
        "<vmix><version>27.0.0.49</version><inputs>{}</inputs><active>1</active></vmix>\r\n",
        inputs.collect::<String>()
    )
}

fn function(world: &mut World, call: &str) -> Result<String, String> {
    let (name, query) = call.split_once(' ').unwrap_or((call, ""));
    let parts: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect();
    if name != "SetText" {
        return Err(format!("Function {name} not found"));
    }
    let wanted = parts.get("Input").cloned().unwrap_or_default();
    let place = wanted.parse::<usize>().ok();
    let mut inputs = world.inputs.iter_mut().enumerate();
    let named = |(n, input): &(usize, &mut Input)| {
        place == Some(n + 1) || input.title == wanted || input.key() == wanted
    };
    let (_, input) = inputs.find(named).ok_or("Input not found")?;
    let field = match (parts.get("SelectedName"), parts.get("SelectedIndex")) {
        (Some(name), _) => input.texts.iter().position(|(n, _)| n == name),
        (None, index) => index.map_or(Some(0), |index| index.parse().ok()),
    };
    let field = field
        .and_then(|n| input.texts.get_mut(n))
        .ok_or("Text not found")?;
    field.1 = parts.get("Value").cloned().unwrap_or_default();
    Ok(name.to_owned())
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

//! What is different for a person: asking, hiding what is typed, and cutting to the width.

use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    process::Child,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use crate::{
    key_life::used_key,
    support::{PASSWORD, Site, on_each_database, text},
};

const WIDTH: u16 = 60;
/// As most terminals are.
const USUAL_WIDTH: u16 = 80;

/// The program at a terminal.
struct Session {
    child: Child,
    keyboard: File,
    screen: String,
    seen: usize,
}

impl Session {
    fn start(site: &Site, words: &[&str]) -> Self {
        Self::start_with(site, words, WIDTH)
    }

    fn start_with(site: &Site, words: &[&str], width: u16) -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: 25, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let theirs =
            || OpenOptions::new().read(true).write(true).open(OsStr::from_bytes(name.to_bytes())).unwrap();
        let mut command = site.command(words);
        command.stdin(theirs()).stdout(theirs()).stderr(theirs());
        let child = command.spawn().unwrap();
        Self { child, keyboard: ours.into(), screen: String::new(), seen: 0 }
    }

    /// Waits until `words` stand on the screen, after what was waited for before.
    fn see(&mut self, words: &str) {
        loop {
            if let Some(at) = self.screen[self.seen..].find(words) {
                self.seen += at + words.len();
                return;
            }
            assert!(self.read(), "{words:?} never came: {}", self.screen);
        }
    }

    fn read(&mut self) -> bool {
        let mut bytes = [0; 1_024];
        // A terminal whose program has ended fails with EIO.
        let count = self.keyboard.read(&mut bytes).unwrap_or(0);
        self.screen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }

    fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Types where nothing typed is shown, once that is so.
    fn type_hidden(&mut self, line: &str) {
        while tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO) {
            std::thread::yield_now();
        }
        self.type_line(line);
    }

    /// The exit code, and everything that stood on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        while self.read() {}
        (self.child.wait().unwrap().code(), self.screen)
    }
}

#[test]
fn revoke_goes_on_after_yes_and_only_then() {
    on_each_database(|site| {
        let made = site.json(&["create", "--name", "John Doe"]);
        let id = text(&made, "/key_id");
        for (answer, code) in [("no", 1), ("", 1), ("yess", 1), ("yes", 0)] {
            let before = site.json(&["list"]);
            assert_eq!(before["items"].as_array().unwrap().len(), 1, "still there at {answer:?}");
            let mut session = Session::start(site, &["revoke", id]);
            session.see("Type yes to go on");
            session.type_line(answer);
            let (ended, screen) = session.end();
            assert_eq!(ended, Some(code), "{answer:?}: {screen}");
            assert!(screen.contains("John Doe"), "{screen}");
        }
        assert!(site.json(&["list"])["items"].as_array().unwrap().is_empty());
    });
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    on_each_database(|site| {
        let mut session = Session::start(site, &["users", "create-admin", "--email", "root@example.com"]);
        session.see("Password");
        session.type_hidden(PASSWORD);
        session.see("The same again");
        session.type_hidden("something else");
        session.see("once more");
        session.see("Password");
        session.type_hidden(PASSWORD);
        session.see("The same again");
        session.type_hidden(PASSWORD);
        let (code, screen) = session.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(!screen.contains(PASSWORD) && !screen.contains("something else"), "{screen}");
        assert_eq!(site.json(&["users", "show", "root@example.com"])["role"], "admin");
    });
}

#[test]
fn a_table_is_cut_to_the_terminal_and_not_when_piped() {
    on_each_database(|site| {
        let name = "A name that is much longer than what a narrow terminal shows of it";
        let id = text(&site.json(&["create", "--name", name]), "/key_id").to_owned();
        let (code, screen) = Session::start(site, &["list"]).end();
        assert_eq!(code, Some(0), "{screen}");
        let width = usize::from(WIDTH);
        assert!(screen.lines().all(|line| line.trim_end().chars().count() <= width), "{screen}");
        assert!(screen.contains('…') && !screen.contains(name), "{screen}");

        let piped = site.run(&["list"]);
        assert!(piped.out.contains(name) && piped.out.contains(&id), "{piped:?}");
        assert!(!piped.out.contains('\u{1b}') && !piped.out.contains('…'), "{piped:?}");
    });
}

#[test]
fn a_usual_terminal_shows_which_key_is_which() {
    on_each_database(|site| {
        let made = site.json(&["create", "--name", "Production", "--email", "john.doe@example.com"]);
        let id = text(&made, "/key_id");
        let (code, screen) = Session::start_with(site, &["list"], USUAL_WIDTH).end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains(&format!("| {}… |", &id[..12])), "{screen}");
        assert!(screen.lines().all(|line| line.trim_end().chars().count() <= 80), "{screen}");
        // As it stands there, it names the key.
        site.run(&["stats", &format!("{}…", &id[..12])]).ended(0);
    });
}

#[test]
fn bars_are_drawn_to_fit_the_terminal() {
    on_each_database(|site| {
        let key = used_key(site, &[(0, 1), (1, 1), (1, 1)]).to_string();
        for (width, longest, half) in [(200, 30, 15), (USUAL_WIDTH, 21, 10), (WIDTH, 5, 2)] {
            let words = ["stats", &key, "--days", "3", "--detailed"];
            let (code, screen) = Session::start_with(site, &words, width).end();
            assert_eq!(code, Some(0), "{screen}");
            let bars: Vec<_> =
                screen.lines().map(|line| line.matches('#').count()).filter(|length| *length > 0).collect();
            assert_eq!(bars, [longest, half], "{width}: {screen}");
            assert!(!screen.contains("#…"), "{width}: {screen}");
        }
    });
}

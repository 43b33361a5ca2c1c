//! Who asks: where a call comes from, whoever it is.

use std::net::IpAddr;

use tollgate_domain::RunId;

/// The most characters that are kept of a program's name of itself.
const MAX_USER_AGENT_CHARS: usize = 256;

/// Where a call comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The address; `None` for a program on this machine that has none.
    pub ip: Option<IpAddr>,
    /// The program, as it names itself.
    pub user_agent: Option<String>,
    /// The run of the call, where it carries an `Idempotency-Key`.
    pub run: Option<RunId>,
}

impl Client {
    /// The address as it is stored.
    pub fn ip_text(&self) -> Option<String> {
        self.ip.map(|ip| ip.to_string())
    }

    /// The program's name, cut to what is stored of it.
    pub fn program(&self) -> Option<String> {
        let text = self.user_agent.as_ref()?;
        Some(text.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_program_is_bounded_and_has_no_controls() {
        let client =
            Client { user_agent: Some(format!("a\r\nb{}", "é".repeat(1_000))), ..Client::default() };
        let program = client.program().unwrap();
        assert!(program.starts_with("abé"));
        assert_eq!(program.chars().count(), MAX_USER_AGENT_CHARS);
        assert_eq!(Client::default().program(), None);
    }
}

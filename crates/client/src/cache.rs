//! What is remembered of answers: bounded in time and in number, and nothing from which a credential could be read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{credential::Credential, denied::Denied, question::Question, wire::Answer};

/// The most admissions that are remembered.
pub(crate) const MAX_ADMITTED: usize = 4_096;
/// The most refusals. They have a place of their own: a stranger with many keys pushes no admission out.
pub(crate) const MAX_REFUSED: usize = 1_024;

/// Stands for a credential and a question: a hash, keyed with what only this process has.
pub(crate) type Key = [u8; 32];

/// The answers that are remembered.
pub(crate) struct Cache {
    secret: [u8; 32],
    life: Duration,
    kept: Mutex<Kept>,
}

struct Kept {
    admitted: Recent,
    refused: Recent,
}

impl Cache {
    /// Remembers nothing yet, and each answer for `life` from when it was asked for.
    pub(crate) fn new(secret: [u8; 32], life: Duration) -> Self {
        let kept = Kept { admitted: Recent::new(MAX_ADMITTED), refused: Recent::new(MAX_REFUSED) };
        Self { secret, life, kept: Mutex::new(kept) }
    }

    /// How long an answer is remembered.
    pub(crate) const fn life(&self) -> Duration {
        self.life
    }

    /// What stands for this question about this credential.
    pub(crate) fn key(&self, credential: &Credential, question: &Question) -> Key {
        let Question { permission, model, ip } = question;
        let permission = permission.as_ref().map(ToString::to_string);
        let ip = ip.map(|ip| ip.to_canonical().to_string());
        let parts = [Some(credential.expose().0), permission.as_deref(), model.as_deref(), ip.as_deref()];
        let mut hash = Sha256::new_with_prefix(self.secret);
        for part in parts {
            // No two lists of parts make one text.
            match part {
                None => hash.update([0]),
                Some(text) => {
                    hash.update([1]);
                    hash.update(text.len().to_le_bytes());
                    hash.update(text);
                }
            }
        }
        hash.finalize().into()
    }

    /// What was answered, unless that is too long ago.
    pub(crate) fn get(&self, key: &Key, now: Instant) -> Option<Answer> {
        let kept = self.lock();
        kept.admitted.get(key, now).or_else(|| kept.refused.get(key, now)).cloned()
    }

    /// Remembers what was asked for at `asked`. What is no answer is not remembered.
    pub(crate) fn keep(&self, key: Key, answer: &Answer, asked: Instant, now: Instant) {
        let Some(until) = asked.checked_add(self.life).filter(|until| *until > now) else { return };
        let mut kept = self.lock();
        let Kept { admitted, refused } = &mut *kept;
        let (into, other) = match answer {
            Ok(_) => (admitted, refused),
            Err(Denied::Refused(_)) => (refused, admitted),
            Err(_) => return,
        };
        // Of two that were under way at once the later question counts, whichever answer came last.
        if other.until(&key).is_none_or(|theirs| theirs <= until) {
            other.forget(&key);
            into.put(key, answer, until, now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers in the order in which they came, at most so many.
struct Recent {
    most: usize,
    answers: HashMap<Key, (Instant, Answer)>,
    /// Each with its end at the time: an entry that was replaced stands here twice.
    order: VecDeque<(Instant, Key)>,
}

impl Recent {
    fn new(most: usize) -> Self {
        Self { most, answers: HashMap::new(), order: VecDeque::new() }
    }

    fn get(&self, key: &Key, now: Instant) -> Option<&Answer> {
        self.answers.get(key).filter(|(until, _)| *until > now).map(|(_, answer)| answer)
    }

    fn until(&self, key: &Key) -> Option<Instant> {
        self.answers.get(key).map(|(until, _)| *until)
    }

    fn forget(&mut self, key: &Key) {
        self.answers.remove(key);
    }

    fn put(&mut self, key: Key, answer: &Answer, until: Instant, now: Instant) {
        if self.until(&key).is_some_and(|theirs| theirs >= until) {
            return;
        }
        while self.order.len() >= self.most || self.order.front().is_some_and(|(end, _)| *end <= now) {
            let Some((end, old)) = self.order.pop_front() else { break };
            if self.until(&old) == Some(end) {
                self.answers.remove(&old);
            }
        }
        self.answers.insert(key, (until, answer.clone()));
        self.order.push_back((until, key));
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::StatusCode;
    use tollgate_domain::Permission;

    use super::*;
    use crate::denied::{Refusal, Unavailable};

    const LIFE: Duration = Duration::from_secs(1);

    fn cache() -> Cache {
        Cache::new([7; 32], LIFE)
    }

    fn refused(code: &'static str) -> Answer {
        Err(Denied::Refused(Refusal::here(code, "no", StatusCode::UNAUTHORIZED)))
    }

    fn admitted() -> Answer {
        let window = r#"{"limit":1,"used":0,"remaining":1,"resets_at":null}"#;
        let body = format!(
            r#"{{"valid":true,"user_id":"0193a0b0c0d07000800000000000000a","environment":"live","tier":"free",
            "permissions":[],"metadata":{{}},
            "rate_limit":{{"minute":{window},"hour":{window},"day":{window},"quota":{window}}}}}"#
        );
        let answer = crate::wire::answer(body.as_bytes());
        assert!(answer.is_ok());
        answer
    }

    fn number(n: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        key
    }

    #[test]
    fn an_answer_is_remembered_from_when_it_was_asked_for() {
        let (cache, asked) = (cache(), Instant::now());
        let arrived = asked + LIFE / 2;
        cache.keep(number(1), &admitted(), asked, arrived);
        assert_eq!(cache.get(&number(1), arrived), Some(admitted()));
        assert_eq!(cache.get(&number(1), asked + LIFE - Duration::from_nanos(1)), Some(admitted()));
        assert_eq!(cache.get(&number(1), asked + LIFE), None);
        assert_eq!(cache.get(&number(2), arrived), None);
        cache.keep(number(2), &admitted(), asked, asked + LIFE);
        assert_eq!(cache.get(&number(2), asked), None, "it came too late to be remembered");
    }

    #[test]
    fn only_answers_are_remembered() {
        let (cache, now) = (cache(), Instant::now());
        cache.keep(number(1), &Err(Denied::Unavailable(Unavailable::TimedOut)), now, now);
        cache.keep(number(1), &Err(Denied::Missing), now, now);
        assert_eq!(cache.get(&number(1), now), None);
        cache.keep(number(1), &refused("key_revoked"), now, now);
        assert_eq!(cache.get(&number(1), now), Some(refused("key_revoked")));
        let off = Cache::new([7; 32], Duration::ZERO);
        off.keep(number(1), &admitted(), now, now);
        assert_eq!(off.get(&number(1), now), None);
    }

    #[test]
    fn the_later_question_counts() {
        let (first, second) = (Instant::now(), Instant::now() + Duration::from_millis(100));
        let now = second + Duration::from_millis(100);
        for (earlier, later) in [(admitted(), refused("key_revoked")), (refused("key_disabled"), admitted())]
        {
            let cache = cache();
            cache.keep(number(1), &later, second, now);
            cache.keep(number(1), &earlier, first, now);
            assert_eq!(cache.get(&number(1), now), Some(later.clone()));
            // And the other way round.
            cache.keep(number(2), &earlier, first, now);
            cache.keep(number(2), &later, second, now);
            assert_eq!(cache.get(&number(2), now), Some(later));
        }
    }

    #[test]
    fn there_is_room_for_so_many_and_the_oldest_go() {
        let (cache, now) = (cache(), Instant::now());
        cache.keep(number(0), &admitted(), now, now);
        for n in 1..=3 * MAX_REFUSED {
            cache.keep(number(n), &refused("invalid_api_key"), now, now);
        }
        {
            let kept = cache.lock();
            assert_eq!((kept.refused.answers.len(), kept.refused.order.len()), (MAX_REFUSED, MAX_REFUSED));
        }
        assert_eq!(cache.get(&number(0), now), Some(admitted()), "strangers push no admission out");
        assert_eq!(cache.get(&number(1), now), None);
        assert!(cache.get(&number(3 * MAX_REFUSED), now).is_some());
        // The same one again and again is one, and its repetitions are bounded too.
        for n in 0..3 * MAX_REFUSED {
            let asked = now + Duration::from_nanos(n.try_into().unwrap());
            cache.keep(number(9), &refused("key_expired"), asked, asked);
        }
        assert!(cache.lock().refused.order.len() <= MAX_REFUSED);
        assert!(cache.get(&number(9), now).is_some());
        // All that has ended goes with the next that comes.
        let later = now + LIFE + LIFE;
        cache.keep(number(1), &refused("key_expired"), later, later);
        assert_eq!(cache.lock().refused.answers.len(), 1);
    }

    #[test]
    fn every_part_of_a_question_makes_another() {
        let cache = cache();
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let chat = Some(Permission::Chat);
        let model = |name: &str| Some(name.to_owned());
        let questions = [
            ("k", None, None, None),
            ("kc", None, None, None),
            ("k", chat.clone(), None, None),
            ("k", None, model("chat"), None),
            ("k", chat.clone(), model(""), None),
            ("k", chat.clone(), model("m"), None),
            ("k", chat.clone(), model("m"), ip("10.0.0.1")),
            ("k", chat, None, ip("10.0.0.1")),
            ("k", None, model("10.0.0.1"), None),
        ];
        let keys = questions.map(|(text, permission, model, ip)| {
            cache.key(&Credential::new(text), &Question { permission, model, ip })
        });
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key), "{n}");
        }
        let again = |cache: &Cache| cache.key(&Credential::new("k"), &Question::default());
        assert_eq!(again(&cache), keys[0]);
        assert_ne!(again(&Cache::new([8; 32], LIFE)), keys[0]);
    }
}

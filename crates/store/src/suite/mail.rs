//! Promises of [`MailStore`](crate::MailStore).

use std::{collections::HashSet, sync::Barrier, thread};

use tollgate_domain::{MailId, Time};

use super::given::{self, Numbers, at};
use crate::{DueMail, NewMail, Stores};

/// Mails of a test of what several senders do at once.
const MAILS: usize = 20;
/// Senders of that test.
const SENDERS: usize = 4;

fn queued(stores: &Stores, time: Time) -> NewMail {
    let mail = given::mail(time);
    stores.mails.queue(&mail).unwrap();
    mail
}

fn due(mail: &NewMail, attempts: u32) -> Option<DueMail> {
    Some(DueMail { id: mail.id, sealed: mail.sealed.clone(), attempts, give_up_at: mail.give_up_at })
}

/// Nothing comes before its time.
pub fn a_mail_is_due_from_when_it_is_queued(stores: &Stores) {
    assert_eq!(stores.mails.take(at(0), at(60)).unwrap(), None);
    let mail = queued(stores, at(10));
    assert_eq!(stores.mails.waiting().unwrap(), 1);
    assert_eq!(stores.mails.take(at(9), at(69)).unwrap(), None);
    assert_eq!(stores.mails.take(at(10), at(70)).unwrap(), due(&mail, 1));
}

/// A mail that is being sent is let alone until its sender must be dead.
pub fn what_was_taken_is_nobody_elses_for_a_while(stores: &Stores) {
    let mail = queued(stores, at(0));
    assert_eq!(stores.mails.take(at(0), at(60)).unwrap(), due(&mail, 1));
    assert_eq!(stores.mails.take(at(59), at(119)).unwrap(), None);
    assert_eq!(stores.mails.waiting().unwrap(), 1);
    // Its sender died.
    assert_eq!(stores.mails.take(at(60), at(120)).unwrap(), due(&mail, 2));
}

/// What becomes of a mail that was taken.
pub fn a_mail_that_failed_comes_again_and_one_that_was_sent_does_not(stores: &Stores) {
    let mail = queued(stores, at(0));
    stores.mails.take(at(0), at(60)).unwrap().unwrap();
    stores.mails.retry(mail.id, at(30)).unwrap();
    assert_eq!(stores.mails.take(at(29), at(90)).unwrap(), None);
    assert_eq!(stores.mails.take(at(30), at(90)).unwrap(), due(&mail, 2));
    for _ in 0..2 {
        stores.mails.remove(mail.id).unwrap();
    }
    stores.mails.retry(mail.id, at(40)).unwrap();
    stores.mails.remove(MailId::new(at(0), &Numbers)).unwrap();
    assert_eq!(stores.mails.take(at(1_000), at(1_060)).unwrap(), None);
    assert_eq!(stores.mails.waiting().unwrap(), 0);
}

/// Their turn is by when they were queued.
pub fn the_mail_that_waits_longest_comes_first(stores: &Stores) {
    let late = queued(stores, at(5));
    let early = queued(stores, at(1));
    assert_eq!(stores.mails.take(at(9), at(69)).unwrap(), due(&early, 1));
    assert_eq!(stores.mails.take(at(9), at(69)).unwrap(), due(&late, 1));
    assert_eq!(stores.mails.take(at(9), at(69)).unwrap(), None);
}

/// Several servers send each mail once.
pub fn of_senders_at_once_each_mail_goes_to_one(stores: &Stores) {
    let queued: HashSet<_> = (0..MAILS).map(|_| queued(stores, at(0)).id).collect();
    let barrier = Barrier::new(SENDERS);
    let taken: Vec<MailId> = thread::scope(|scope| {
        let send = || {
            barrier.wait();
            // A sender may find nothing although another has not come to its last: it asks again.
            (0..MAILS).filter_map(|_| stores.mails.take(at(1), at(61)).unwrap()).map(|due| due.id).collect()
        };
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(send)).collect();
        senders.into_iter().flat_map(|sender| -> Vec<MailId> { sender.join().unwrap() }).collect()
    });
    assert_eq!(taken.len(), taken.iter().collect::<HashSet<_>>().len(), "none twice");
    assert!(taken.iter().all(|id| queued.contains(id)));
    assert_eq!(taken.len(), MAILS);
}

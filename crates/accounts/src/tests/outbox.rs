//! What the outside is told of keys.

use tollgate_domain::OutboxKind;

use super::*;

impl House {
    fn outbox(&self) -> Vec<(OutboxKind, String)> {
        let events = self.stores.outbox.waiting(100).unwrap();
        events.into_iter().map(|event| (event.kind, event.data)).collect()
    }
}

#[test]
fn an_owner_is_told_of_every_turn_in_a_keys_life_once() {
    on_each(|house| {
        let new = house.register("ann@example.com");
        let owner = house.actor(&new.user, None);
        let wish = KeyWish { expires_in_days: Some(30), ..named("ci") };
        let made = house.accounts.create_key(&owner, &wish).unwrap().key.id;
        house.accounts.rotate_key(&owner, made, 0).unwrap();
        let now = || house.accounts.clock.now();
        house.accounts.tell_of_expiring_keys(now()).unwrap();
        house.clock.advance(TimeDelta::days(24));
        // The first events are of no use to anybody any more.
        house.accounts.forget_outbox(now()).unwrap();
        for _ in 0..2 {
            house.accounts.tell_of_expiring_keys(now()).unwrap();
        }
        let event = |kind, id| (kind, format!(r#"{{"api_key_id":"{id}"}}"#));
        assert_eq!(house.outbox(), [event(OutboxKind::KeyExpiring, made)]);
        house.accounts.revoke_key(&owner, made, false).unwrap();
        house.accounts.revoke_key(&owner, new.key.id, false).unwrap();
        assert_eq!(
            house.outbox(),
            [
                event(OutboxKind::KeyExpiring, made),
                event(OutboxKind::KeyRevoked, made),
                event(OutboxKind::KeyRevoked, new.key.id)
            ]
        );
    });
}

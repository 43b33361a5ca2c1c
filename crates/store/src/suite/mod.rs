//! The conformance suite: what every implementation of the ports promises, one function a promise.
//!
//! A case gets the stores of an empty database of its own and panics where a promise is broken. [`suite!`]
//! has the one list of them: it calls a macro of yours with the noun and the name of every case.
//!
//! ```ignore
//! macro_rules! case {
//!     ($noun:ident, $name:ident) => {
//!         #[test]
//!         fn $name() {
//!             tollgate_store::suite::$noun::$name(&stores_of_an_empty_database());
//!         }
//!     };
//! }
//! tollgate_store::suite!(case);
//! ```

#![expect(clippy::unwrap_used, reason = "a case that cannot go on has failed")]

pub mod attempt;
pub mod change;
pub mod device;
pub mod event;
pub mod external_identity;
pub mod given;
pub mod idempotency;
pub mod import;
pub mod key;
pub mod key_secret;
pub mod log;
pub mod mail;
pub mod mail_token;
pub mod open_request;
pub mod outbox;
pub mod refresh;
pub mod second_factor;
pub mod second_factor_code;
pub mod session;
pub mod usage;
pub mod user;
pub mod web_session;
pub mod windows;

/// Calls the macro `$case` with the noun and the name of every case.
#[macro_export]
macro_rules! suite {
    ($case:ident) => {
        $case!(user, a_user_reads_back_whole);
        $case!(user, a_user_and_the_first_key_come_together_or_not_at_all);
        $case!(user, addresses_and_external_ids_are_taken_once);
        $case!(user, an_edit_changes_what_it_says_and_the_time);
        $case!(user, edits_at_the_same_time_all_count);
        $case!(user, who_is_no_longer_admin_has_no_key_that_is);
        $case!(user, a_password_takes_the_place_of_what_was_there);
        $case!(user, a_changed_password_ends_every_other_session);
        $case!(user, a_password_changes_only_from_the_one_that_was_checked);
        $case!(user, of_changes_of_a_password_at_once_one_counts);
        $case!(user, a_deleted_user_leaves_nothing_behind);
        $case!(user, only_what_holds_deletes_a_user);
        $case!(user, users_are_listed_newest_first_without_repeats);
        $case!(user, a_search_finds_parts_without_case);

        $case!(key, a_key_reads_back_whole);
        $case!(key, a_secret_is_taken_once);
        $case!(key, a_key_needs_its_user);
        $case!(key, a_user_has_at_most_so_many_keys);
        $case!(key, there_is_one_editor_key);
        $case!(key, revoking_is_once_and_for_ever);
        $case!(key, only_the_owner_revokes_where_one_is_named);
        $case!(key, an_edit_of_a_key_keeps_whose_it_is);
        $case!(key, keys_are_listed_newest_first_without_repeats);
        $case!(key, lists_leave_out_what_is_inactive);
        $case!(key, ids_are_found_by_their_beginning);
        $case!(key_secret, a_rotated_key_has_one_secret);
        $case!(key_secret, a_rotated_legacy_key_is_an_ordinary_one);
        $case!(key_secret, an_old_secret_is_good_until_the_grace_ends);
        $case!(key_secret, a_key_has_few_old_secrets);
        $case!(key_secret, a_secret_moves_to_another_hash);
        $case!(key_secret, only_a_live_key_of_the_owner_is_rotated);
        $case!(key_secret, descendants_are_revoked_with_their_maker);
        $case!(key_secret, a_key_that_has_ended_makes_none);
        $case!(key_secret, a_session_that_has_ended_makes_no_key);
        $case!(key_secret, an_edit_that_changes_nothing_does_nothing);
        $case!(outbox, what_is_done_to_a_key_is_told);
        $case!(outbox, descendants_are_told_of_one_by_one);
        $case!(outbox, that_a_key_expires_is_told_once);
        $case!(outbox, old_events_are_forgotten_in_pieces);
        $case!(idempotency, of_runs_at_once_one_has_the_call);
        $case!(idempotency, what_was_answered_is_told_again_until_it_expires);
        $case!(idempotency, another_body_is_told_apart);
        $case!(idempotency, what_a_run_does_marks_it);
        $case!(idempotency, a_run_that_was_taken_over_commits_nothing);
        $case!(idempotency, a_run_that_did_something_is_not_run_again);
        $case!(idempotency, a_run_that_came_to_nothing_is_forgotten);
        $case!(idempotency, a_released_run_commits_nothing);
        $case!(idempotency, a_user_has_so_many_calls);
        $case!(idempotency, calls_go_with_their_user);
        $case!(idempotency, expired_calls_are_forgotten_in_pieces);
        $case!(idempotency, a_call_is_known_by_its_older_hashes);
        $case!(import, an_imported_key_comes_with_its_user_once);
        $case!(import, an_imported_key_finds_its_user);
        $case!(import, an_imported_user_is_made_once);
        $case!(import, a_dry_run_writes_nothing);
        $case!(import, what_was_imported_and_ended_stays_ended);
        $case!(import, imports_at_once_make_everything_once);
        $case!(import, imports_at_once_wait_for_one_another);

        $case!(session, a_session_reads_back_whole);
        $case!(session, a_password_that_was_changed_meanwhile_opens_nothing);
        $case!(session, a_login_replaces_an_outdated_hash);
        $case!(session, a_session_ends_once);
        $case!(session, all_sessions_of_one_user_end);
        $case!(session, only_the_owner_ends_where_one_is_named);
        $case!(session, open_sessions_are_listed_newest_first_without_repeats);

        $case!(second_factor, a_second_factor_is_set_up_and_then_on);
        $case!(second_factor_code, a_step_and_all_before_it_are_used_up_by_its_code);
        $case!(second_factor_code, a_backup_code_is_used_once);
        $case!(second_factor, while_it_is_on_no_session_opens_without_it);
        $case!(second_factor_code, wrong_codes_are_counted_over_all_tokens_until_a_sign_in);
        $case!(second_factor, a_first_factor_that_is_none_any_more_asks_for_nothing);
        $case!(second_factor, what_stands_for_the_first_factor_ends_with_it);
        $case!(second_factor, it_ends_by_password_and_code_with_all_that_belongs_to_it);
        $case!(second_factor, a_reset_ends_it_and_every_session);
        $case!(second_factor, what_is_done_is_told_and_nothing_else);
        $case!(second_factor_code, of_codes_and_tokens_at_once_each_counts_once);
        $case!(second_factor, tokens_that_expired_are_forgotten_in_pieces);

        $case!(refresh, a_refresh_token_is_spent_once);
        $case!(refresh, a_spent_token_is_answered_again_for_a_moment);
        $case!(refresh, a_spent_token_whose_successor_was_used_ends_the_session);
        $case!(refresh, an_answer_is_kept_for_the_last_spent_token_alone);
        $case!(refresh, nothing_is_refreshed_beyond_the_end);
        $case!(refresh, tokens_belong_to_their_session);
        $case!(refresh, of_refreshes_at_once_one_counts);
        $case!(refresh, a_refresh_and_an_end_at_once_leave_nothing_open);
        $case!(refresh, what_nobody_can_use_is_forgotten_in_pieces);

        $case!(device, a_device_is_found_by_its_code_until_it_expires);
        $case!(device, a_code_is_shown_once_and_a_network_asks_so_often);
        $case!(device, who_asks_too_early_waits_longer);
        $case!(device, a_device_is_told_what_was_decided_until_it_expires);
        $case!(device, a_device_keeps_its_programs_name);
        $case!(device, a_device_is_decided_once);
        $case!(device, an_approved_device_opens_one_session);
        $case!(device, of_exchanges_at_once_one_counts);
        $case!(device, who_signs_out_takes_the_approval_back);
        $case!(device, guesses_are_counted_by_user);
        $case!(device, of_guesses_at_once_so_many_are_answered);
        $case!(device, old_devices_and_guesses_are_forgotten_in_pieces);

        $case!(web_session, a_cookie_stands_for_its_session_in_place_of_a_refresh_token);
        $case!(web_session, a_session_that_is_over_gets_no_cookie);
        $case!(web_session, a_cookie_is_forgotten_with_its_session);

        $case!(attempt, attempts_lock_an_account_and_then_one_is_admitted_at_a_time);
        $case!(attempt, attempts_at_once_are_all_counted);
        $case!(attempt, attempts_are_counted_while_counts_are_cleared);
        $case!(attempt, a_session_resets_the_count_that_it_came_from);
        $case!(attempt, a_known_address_is_known_for_so_long);
        $case!(attempt, what_opens_nothing_resets_nothing);
        $case!(attempt, a_cleared_user_has_no_counts);
        $case!(attempt, an_address_does_so_much_an_hour);
        $case!(attempt, a_full_address_counts_at_no_account);
        $case!(attempt, an_address_does_no_more_at_once);
        $case!(attempt, attempts_that_count_nowhere_are_forgotten_in_pieces);

        $case!(change, each_write_says_what_changed);
        $case!(change, numbers_follow_commits_without_gaps);
        $case!(change, a_limit_cuts_the_list_not_the_changes);
        $case!(change, a_number_that_was_never_given_is_a_gap);

        $case!(event, a_group_sent_again_counts_once);
        $case!(event, a_refused_group_leaves_nothing);
        $case!(event, sums_are_those_of_the_events_whoever_folds);
        $case!(event, a_fold_stops_at_its_limit_and_says_so);
        $case!(event, an_event_counts_on_its_own_month);
        $case!(event, an_own_provider_key_takes_no_quota);
        $case!(event, a_fold_stops_at_its_mark);
        $case!(event, a_late_group_is_folded_once);
        $case!(event, old_streams_retire_when_all_is_folded);

        $case!(external_identity, an_identity_finds_its_user);
        $case!(external_identity, a_user_with_an_identity_is_made_whole_or_not_at_all);
        $case!(external_identity, an_identity_is_one_users);
        $case!(external_identity, of_users_made_at_once_for_an_identity_one_is);
        $case!(external_identity, links_at_once_keep_to_the_limit);

        $case!(open_request, an_open_request_is_kept_whole_and_at_its_latest);
        $case!(open_request, open_requests_are_forgotten_one_by_one);

        $case!(usage, nothing_used_is_zero_everywhere);
        $case!(usage, money_outgrows_64_bits_exactly);
        $case!(usage, days_are_cut_at_midnight_utc);
        $case!(usage, spans_are_cut_to_the_quarter_hour);
        $case!(usage, scopes_tell_users_keys_and_environments_apart);
        $case!(usage, refusals_count_as_often_as_they_repeat);
        $case!(usage, an_unknown_price_is_counted_not_guessed);
        $case!(usage, keys_totals_start_at_their_time);

        $case!(log, an_event_reads_back_whole);
        $case!(log, a_log_is_paged_newest_first_without_repeats);
        $case!(log, pages_stand_still_while_events_come);
        $case!(log, a_late_event_is_in_its_place_before_it_is_folded);
        $case!(log, logs_tell_users_keys_and_environments_apart);
        $case!(log, a_log_goes_on_from_any_place);

        $case!(mail, a_mail_is_due_from_when_it_is_queued);
        $case!(mail, what_was_taken_is_nobody_elses_for_a_while);
        $case!(mail, a_mail_that_failed_comes_again_and_one_that_was_sent_does_not);
        $case!(mail, the_mail_that_waits_longest_comes_first);
        $case!(mail, of_senders_at_once_each_mail_goes_to_one);

        $case!(mail_token, a_token_reads_back_whole);
        $case!(mail_token, a_new_token_takes_the_place_of_the_one_before);
        $case!(mail_token, tokens_are_counted_by_user_and_address);
        $case!(mail_token, invitations_stand_beside_the_others);
        $case!(mail_token, a_reset_sets_the_password_once);
        $case!(mail_token, only_the_right_token_sets_a_password);
        $case!(mail_token, of_resets_at_once_one_counts);
        $case!(mail_token, a_reset_of_an_account_that_was_never_confirmed_ends_its_keys);
        $case!(mail_token, a_sign_up_makes_a_user_or_tells_the_owner);
        $case!(mail_token, of_sign_ups_at_once_one_counts);
        $case!(mail_token, an_invitation_is_good_once);
        $case!(mail_token, a_confirmation_makes_the_first_key_once);
        $case!(mail_token, a_new_address_is_confirmed_or_taken);
        $case!(mail_token, who_owns_the_address_ends_what_others_made);
        $case!(mail_token, expired_tokens_are_forgotten);

        $case!(windows, saved_windows_are_those_of_the_events_whoever_saves);
        $case!(windows, a_save_stops_at_its_limit_and_says_so);
        $case!(windows, what_has_left_every_window_is_forgotten);
        $case!(windows, admissions_of_a_clock_that_was_ahead_count_now);
        $case!(windows, many_windows_are_loaded_once_each);
    };
}

#[cfg(test)]
mod tests {
    const FILES: [(&str, &str); 19] = [
        ("attempt", include_str!("attempt.rs")),
        ("change", include_str!("change.rs")),
        ("device", include_str!("device.rs")),
        ("event", include_str!("event.rs")),
        ("external_identity", include_str!("external_identity.rs")),
        ("idempotency", include_str!("idempotency.rs")),
        ("key", include_str!("key.rs")),
        ("log", include_str!("log.rs")),
        ("mail", include_str!("mail.rs")),
        ("mail_token", include_str!("mail_token.rs")),
        ("open_request", include_str!("open_request.rs")),
        ("refresh", include_str!("refresh.rs")),
        ("second_factor", include_str!("second_factor.rs")),
        ("second_factor_code", include_str!("second_factor_code.rs")),
        ("session", include_str!("session.rs")),
        ("usage", include_str!("usage.rs")),
        ("user", include_str!("user.rs")),
        ("web_session", include_str!("web_session.rs")),
        ("windows", include_str!("windows.rs")),
    ];

    macro_rules! listed {
        ($noun:ident, $name:ident) => {
            (stringify!($noun), stringify!($name))
        };
    }

    #[test]
    fn every_case_is_listed() {
        let mut names = Vec::new();
        macro_rules! case {
            ($noun:ident, $name:ident) => {
                names.push(listed!($noun, $name));
            };
        }
        suite!(case);
        for (noun, text) in FILES {
            for name in text.lines().filter_map(|line| line.strip_prefix("pub fn ")?.split_once('(')) {
                assert!(names.contains(&(noun, name.0)), "{noun}::{} is not in the list", name.0);
            }
        }
    }
}

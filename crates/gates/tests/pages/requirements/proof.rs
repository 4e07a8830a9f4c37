//! Sections H to P: proofs, the log, the guard, gates, files and guardrails.

use super::table::By::{Elsewhere, Test};
use super::table::{Section, asked};

const COLLECT: &str = "crates/gates/tests/gates/collect.rs";
const FIX: &str = "crates/gates/tests/gates/fix.rs";
const FIXED: &str = "crates/gates/tests/gates/fixed.rs";
const M1: &str = "crates/gates/tests/gates/m1.rs";
const M2: &str = "crates/gates/tests/gates/m2.rs";
const SERVICES: &str = "crates/gates/tests/gates/services.rs";
const UNDER_WAY: &str = "crates/gates/tests/gates/under_way.rs";
const ANY: &str = "crates/gates/tests/gates/any_swarm.rs";
const BEFORE: &str = "crates/gates/tests/gates/before.rs";
const WINDOW: &str = "crates/gates/src/window/judge.rs";
const HOST: &str = "crates/gates/src/window/host.rs";
const OWN: &str = "crates/cli/tests/cli/own_gates.rs";
const CLI_CHURN: &str = "crates/cli/tests/cli/churn.rs";
const CLI_INTERRUPT: &str = "crates/cli/tests/cli/interrupt.rs";
const MAIN_JOB: &str = "crates/cli/tests/cli/main_job.rs";
const CHURN: &str = "crates/swarm/tests/engine/churn.rs";
const REMOVAL: &str = "crates/swarm/tests/engine/removal.rs";
const RENEW: &str = "crates/swarm/tests/engine/renew.rs";
const SECRETS: &str = "crates/swarm/tests/engine/secrets.rs";
const WHY: &str = "crates/swarm/tests/engine/why.rs";
const CATALOGUE: &str = "crates/journal/src/catalogue/tests.rs";
const SCAN: &str = "crates/journal/tests/scan.rs";
const ROUTES: &str = "crates/routes/tests/routes/answers.rs";
const DEADLOCKS: &str = "crates/boot/tests/boot/deadlocks.rs";
const GUARD: &str = "crates/gates/tests/gates/guard.rs";
const GUARD_RUN: &str = "crates/guard/tests/guard.rs";
const FOREIGN: &str = "crates/guard/src/foreign/judge/tests.rs";
const LEDGER: &str = "crates/cli/tests/cli/ledger.rs";
const EVIDENCE: &str = "crates/gates/tests/gates/evidence.rs";
const HARNESS: &str = "crates/gates/tests/gates/harness.rs";
const REPOSITORY: &str = "it is a rule for a repository, and its host enforces it";

pub(crate) const SECTIONS: [Section; 9] = [
    Section(
        'H',
        "One real deployment",
        &[
            asked(63, "one stack of low risk is deployed", &[Test(M2, "a_canary_that_does_not_run")]),
            asked(64, "it joins the overlay", &[Test(M2, "a_canary_without_an_address_on_the_overlay")]),
            asked(
                65,
                "a run of the harness completes all its tiers",
                &[Test(HARNESS, "each_way_to_break_it_has_its_verdict_and_a_reason_in_one_line")],
            ),
            asked(66, "it is removed cleanly", &[Test(M2, "a_canary_that_is_not_gone")]),
            asked(
                67,
                "it is of after the change; a run of before proves nothing",
                &[
                    Test(M2, "a_canary_that_does_not_run"),
                    Test(HARNESS, "a_result_that_its_command_did_not_write_proves_nothing"),
                ],
            ),
            asked(
                68,
                "it is small and stable",
                &[Elsewhere("which is, is for its owner to say, in [canary] image")],
            ),
            asked(
                69,
                "no sweep is doubled",
                &[Test(WINDOW, "run_stacks_are_known_by_their_names_and_some_may_stay")],
            ),
        ],
    ),
    Section(
        'I',
        "A bounded reproduction",
        &[
            asked(70, "measured before and after", &[Test(M2, "a_census_that_is_not_complete")]),
            asked(
                71,
                "a small batch of throwaway stacks comes and goes, published ports among its shapes",
                &[Test(CHURN, "each_shape_makes_what_it_says_and_only_private_ones_leak")],
            ),
            asked(
                72,
                "at the same time, as when it leaked",
                &[Test(M2, "dockers_order_fails_for_real_and_only_for_its_leaks")],
            ),
            asked(
                73,
                "as many as leave room",
                &[Test(CHURN, "too_little_room_is_refused_with_the_numbers_and_nothing_is_deployed")],
            ),
            asked(
                74,
                "counts at the baseline, when deployed and when removed",
                &[Test(M2, "a_census_that_is_not_complete")],
            ),
            asked(
                75,
                "what is leaked is the difference, and is nothing",
                &[Test(M2, "a_leak"), Test(M2, "an_update_that_freed_a_live_address_fails_for_real")],
            ),
            asked(76, "no error about addresses meanwhile", &[Test(M2, "a_new_signature")]),
            asked(
                77,
                "refused removals and races meanwhile are counted",
                &[Test(M2, "a_removal_that_was_refused")],
            ),
            asked(78, "no fresh exhaustion", &[Test(M2, "a_new_signature")]),
            asked(
                79,
                "everything made is swept, with what that removed",
                &[Test(REMOVAL, "a_sweep_removes_what_is_labelled_and_nothing_else")],
            ),
            asked(80, "throwaway stacks are gone by name", &[Test(M2, "something_that_is_left")]),
            asked(
                81,
                "nothing left is a condition, not a nicety",
                &[Test(M2, "something_that_is_left"), Test(M2, "a_canary_that_is_not_gone")],
            ),
            asked(
                82,
                "throwaway names can be recognised",
                &[Test(REMOVAL, "leftovers_are_listed_by_run_with_their_names")],
            ),
            asked(
                83,
                "the limits of the proof are stated",
                &[Test(CHURN, "the_json_is_what_scripts_rely_on"), Test(M2, "no_cycle_is_no_proof")],
            ),
        ],
    ),
    Section(
        'J',
        "The engine's log",
        &[
            asked(
                84,
                "exhaustion is known by its line",
                &[Test(CATALOGUE, "each_entry_matches_its_own_examples_and_none_of_the_others")],
            ),
            asked(
                85,
                "so are races of removals",
                &[Test(CATALOGUE, "each_entry_matches_its_own_examples_and_none_of_the_others")],
            ),
            asked(
                86,
                "tasks that stay in New are a symptom",
                &[Test(M1, "a_task_that_is_stuck_without_an_address")],
            ),
            asked(
                87,
                "a scan begins at the change and finds nothing after it",
                &[Test(FIXED, "another_subnet_leaks_a_route_and_the_log")],
            ),
            asked(
                88,
                "known noise about networks that were removed is no failure",
                &[Test(SCAN, "a_retried_deletion_is_noise_while_the_engine_starts_and_a_race_later")],
            ),
            asked(
                89,
                "lines of before and of after are told apart",
                &[
                    Test(SCAN, "what_is_outside_of_the_window_is_read_and_not_counted"),
                    Test(M1, "an_exhaustion_line_of_before_the_engines_start_is_over"),
                    Test(ANY, "what_stood_in_the_log_before_since_is_mended_and_named"),
                ],
            ),
        ],
    ),
    Section(
        'K',
        "The guard",
        &[
            asked(
                90,
                "the guard is where it is to be, by file and lines",
                &[Test(GUARD, "a_guard_that_stands_passes_and_anyone_sees_its_lines")],
            ),
            asked(
                91,
                "it matches the original signature",
                &[Test(GUARD, "each_way_to_break_it_has_its_verdict_and_names_the_file_and_the_pattern")],
            ),
            asked(
                92,
                "it counts in the engine's log and restarts the engine on a match",
                &[Test(GUARD, "what_it_counts_restarts_and_removes_is_missed_line_by_line")],
            ),
            asked(
                93,
                "it removes unused overlays",
                &[Test(GUARD, "what_it_counts_restarts_and_removes_is_missed_line_by_line")],
            ),
            asked(
                94,
                "it fires when it happens again, and only then",
                &[
                    Test(GUARD_RUN, "a_network_full_of_leaks_is_cured_once_and_the_second_run_does_nothing"),
                    Test(GUARD_RUN, "a_leak_without_exhaustion_restarts_nothing"),
                    Test(
                        FOREIGN,
                        "the_guard_of_the_runbook_fires_on_the_original_line_and_on_three_of_eight",
                    ),
                    Test(FOREIGN, "it_looks_back_26_hours_fires_again_and_fails_open"),
                ],
            ),
            asked(
                95,
                "it stays after the mend",
                &[Test(GUARD, "each_way_to_break_it_has_its_verdict_and_names_the_file_and_the_pattern")],
            ),
            asked(
                96,
                "a stale text about it is advisory",
                &[Test(FOREIGN, "a_stale_text_is_advice_and_no_fault")],
            ),
        ],
    ),
    Section(
        'L',
        "Units that wait for each other",
        &[
            asked(
                97,
                "a unit that waits for what is ordered after it is found, through a URL too",
                &[Test(DEADLOCKS, "a_gate_on_what_comes_after_it_is_a_deadlock")],
            ),
            asked(
                98,
                "the chain is printed edge by edge",
                &[Test(DEADLOCKS, "chains_are_closed_and_a_dropped_wait_always_helps_alone")],
            ),
            asked(
                99,
                "so is how long it hangs",
                &[Test("crates/boot/src/unit.rs", "the_start_is_bounded_as_systemd_does")],
            ),
            asked(
                100,
                "a reproduction is offered",
                &[Test(DEADLOCKS, "the_reproduction_starts_the_gated_unit_alone")],
            ),
            asked(
                101,
                "so are the ways out, and what only moves the circle",
                &[Test(DEADLOCKS, "moving_the_gate_to_drone_would_still_be_circular")],
            ),
            asked(
                102,
                "a way out says whether the probe still proves something",
                &[Test(DEADLOCKS, "a_probe_without_tls_or_past_the_router_proves_less")],
            ),
            asked(
                103,
                "what a change brought in is told from what was there",
                &[Test(DEADLOCKS, "what_a_change_brought_in_is_told_from_what_was_there")],
            ),
            asked(
                104,
                "a finding has severity and what it endangers",
                &[Test(
                    LEDGER,
                    "a_critical_finding_of_the_verifiers_keeps_done_away_until_the_verifier_closes_it",
                )],
            ),
            asked(
                105,
                "a finding is closed by the one who tests it again",
                &[Test(
                    LEDGER,
                    "a_critical_finding_of_the_verifiers_keeps_done_away_until_the_verifier_closes_it",
                )],
            ),
        ],
    ),
    Section(
        'M',
        "Gates and roles",
        &[
            asked(
                106,
                "the plan is judged before anything is changed",
                &[Test(FIX, "a_host_that_is_ready_passes_and_nothing_of_it_is_touched")],
            ),
            asked(
                107,
                "the change is judged from the host",
                &[Test(FIXED, "without_the_record_of_this_very_renewal_what_it_says_is_unknown")],
            ),
            asked(
                108,
                "control plane and routes are judged, with evidence",
                &[Test(COLLECT, "each_check_of_m1_turns_by_its_own_break")],
            ),
            asked(
                109,
                "deployment, allocator, log and leaks are judged",
                &[
                    Test(M2, "a_healthy_run_passes_every_check"),
                    Test(
                        "crates/gates/tests/gates/coverage.rs",
                        "no_check_of_m2_passes_without_what_it_needs",
                    ),
                ],
            ),
            asked(
                110,
                "the verdict rests on live commands",
                &[
                    Test(BEFORE, "each_thing_that_is_wrong_with_a_report_has_its_verdict_and_reason"),
                    Test(LEDGER, "one_forged_figure_fails_and_is_named_in_every_format"),
                ],
            ),
            asked(
                111,
                "verdicts are appended, with time and evidence, and never rewritten",
                &[
                    Test(OWN, "a_report_is_never_overwritten"),
                    Test(LEDGER, "a_damaged_ledger_is_refused_with_the_place"),
                ],
            ),
            asked(
                112,
                "a gate has states, a veto among them; what is only a note is none",
                &[
                    Test(
                        SERVICES,
                        "services_of_no_configuration_are_named_with_what_runs_and_the_gate_passes",
                    ),
                    Test(LEDGER, "without_a_claim_that_counts_the_verdict_is_a_veto_and_nothing_is_measured"),
                ],
            ),
            asked(
                113,
                "done means fresh passes of both gates",
                &[
                    Test(BEFORE, "each_thing_that_is_wrong_with_a_report_has_its_verdict_and_reason"),
                    Test(OWN, "a_gate_that_deploys_is_kept_from_it_by_an_open_precondition"),
                ],
            ),
            asked(
                114,
                "probes of before a claim are kept apart from the verdict",
                &[Test(LEDGER, "without_a_claim_that_counts_the_verdict_is_a_veto_and_nothing_is_measured")],
            ),
            asked(
                115,
                "findings have id, time, severity, status, reproduction, cause, options, and who may close them",
                &[Test(
                    LEDGER,
                    "a_critical_finding_of_the_verifiers_keeps_done_away_until_the_verifier_closes_it",
                )],
            ),
            asked(
                116,
                "claims and verdicts name the commits that they cover",
                &[Test("crates/ledger/src/verify/tests.rs", "files_and_commit_are_held_against_the_claim")],
            ),
        ],
    ),
    Section(
        'N',
        "Files",
        &[
            asked(
                117,
                "a phase has its files of status, backlog, review and journal",
                &[Test(LEDGER, "a_phase_is_done_with_fresh_passes_of_its_gates_and_its_pages_only_grow")],
            ),
            asked(
                118,
                "a table of checks with a result for each",
                &[Test(
                    "crates/gates/tests/gates/report.rs",
                    "a_table_has_a_line_per_check_and_the_reason_under_it",
                )],
            ),
            asked(
                119,
                "a backlog with boxes to tick",
                &[Test(LEDGER, "a_phase_is_done_with_fresh_passes_of_its_gates_and_its_pages_only_grow")],
            ),
            asked(
                120,
                "evidence is the command and what it printed",
                &[
                    Test(M1, "a_healthy_world_passes_every_check_with_evidence"),
                    Test(EVIDENCE, "every_required_check_that_was_judged_has_a_command_and_a_digest"),
                ],
            ),
        ],
    ),
    Section(
        'O',
        "Guardrails",
        &[
            asked(121, "in a window only", &[Test(FIX, "a_window_that_is_busy_or_cannot_be_looked_at")]),
            asked(122, "no forced push", &[Elsewhere(REPOSITORY)]),
            asked(123, "no secrets", &[Test(SECRETS, "no_result_tells_a_secret")]),
            asked(
                124,
                "the smallest change",
                &[Test(FIXED, "a_specification_that_is_not_as_it_was_and_a_service_that_is_gone")],
            ),
            asked(
                125,
                "stop where the Swarm is another than planned for",
                &[Test(FIX, "whatever_keeps_the_renewal_from_being_done")],
            ),
            asked(
                126,
                "no large sweep",
                &[Test(CHURN, "too_little_room_is_refused_with_the_numbers_and_nothing_is_deployed")],
            ),
            asked(
                127,
                "bounded concurrency",
                &[Test(CLI_CHURN, "too_little_room_is_refused_before_anything_is_deployed")],
            ),
            asked(
                128,
                "everything is cleaned up, however it ends",
                &[
                    Test(CLI_INTERRUPT, "what_a_kill_leaves_a_sweep_takes_away"),
                    Test(M2, "something_that_is_left"),
                ],
            ),
            asked(
                129,
                "stop when a core route dies",
                &[
                    Test(UNDER_WAY, "a_route_that_dies_during_the_churn_stops_it_and_the_run_is_swept"),
                    Test(
                        ANY,
                        "a_route_that_is_not_core_keeps_no_stack_from_being_deployed_and_a_core_one_does",
                    ),
                ],
            ),
        ],
    ),
    Section(
        'P',
        "What the documents around it add",
        &[
            asked(
                130,
                "the names of run stacks are configured, with those that may stay",
                &[Test(WINDOW, "run_stacks_are_known_by_their_names_and_some_may_stay")],
            ),
            asked(
                131,
                "beside the infrastructure nothing is deployed",
                &[Test(WINDOW, "run_stacks_are_known_by_their_names_and_some_may_stay")],
            ),
            asked(
                132,
                "processes, lock files, units and timers say busy as well",
                &[
                    Test(HOST, "a_timers_next_time_is_read_or_not_seen"),
                    Test(WINDOW, "each_sign_of_the_host_is_named_and_what_was_not_seen_is_busy"),
                ],
            ),
            asked(133, "measured before the mend as well as after", &[Test(CHURN, "both_arms_side_by_side")]),
            asked(
                134,
                "a probe may pin its name to an address and asks for one exact status",
                &[Test(ROUTES, "the_router_sees_the_name_of_the_url_in_both_versions")],
            ),
            asked(
                135,
                "a gate has teeth: without its router a probe fails",
                &[Test(MAIN_JOB, "a_world_without_its_router_has_no_route")],
            ),
            asked(
                136,
                "scaled to nothing a service fails its own route, and is put back",
                &[Test(MAIN_JOB, "a_service_without_tasks_fails_its_route_and_no_other")],
            ),
            asked(
                137,
                "the order of other units stays",
                &[Test(DEADLOCKS, "a_remedy_that_only_moves_the_deadlock_is_none")],
            ),
            asked(
                138,
                "an active unit proves nothing; alerts are looked for",
                &[Test(
                    "crates/cli/tests/cli/output.rs",
                    "boot_names_gates_that_prove_less_than_they_seem_to",
                )],
            ),
            asked(
                139,
                "declared, deployed and live are three columns",
                &[Test(FIXED, "columns_that_differ_are_named_with_their_places")],
            ),
            asked(
                140,
                "a live subnet that is not the declared one is reported",
                &[Test(M1, "another_subnet_than_the_one_declared")],
            ),
            asked(
                141,
                "failures of the infrastructure are told from those of a recipe",
                &[
                    Test(WHY, "it_is_not_an_address"),
                    Test(M1, "a_service_that_is_stuck_without_a_vip"),
                    Test(HARNESS, "a_failed_tier_is_the_swarm_s_where_something_waited_and_the_log_says_so"),
                ],
            ),
            asked(
                142,
                "tiers and levels of a run are known",
                &[Test(HARNESS, "each_way_to_break_it_has_its_verdict_and_a_reason_in_one_line")],
            ),
            asked(
                143,
                "what starts a run is known",
                &[Elsewhere("it is for the CI system; pvcheck starts the command that [[harness]] names")],
            ),
            asked(
                144,
                "verdicts age; a claim says what, how, expected and where",
                &[
                    Test(BEFORE, "each_thing_that_is_wrong_with_a_report_has_its_verdict_and_reason"),
                    Test(LEDGER, "a_phase_is_done_with_fresh_passes_of_its_gates_and_its_pages_only_grow"),
                ],
            ),
            asked(
                145,
                "run twice, it converges",
                &[
                    Test(REMOVAL, "a_sweep_of_nothing_changes_nothing"),
                    Test(RENEW, "one_that_is_under_way_is_not_begun_again_and_not_swept"),
                ],
            ),
            asked(
                146,
                "on the documented host both gates pass",
                &[Test(MAIN_JOB, "both_gates_pass_and_say_on_what")],
            ),
            asked(
                147,
                "a removal takes networks, secrets and configs, and no image or process of others",
                &[Test(REMOVAL, "a_stack_goes_with_its_secrets_and_configs_and_external_networks_stay")],
            ),
        ],
    ),
];

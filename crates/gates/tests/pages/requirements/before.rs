//! Sections A to G: what must be so before a change, the change, and the control plane.

use super::table::By::{Elsewhere, Test};
use super::table::{Section, asked};

const COLLECT: &str = "crates/gates/tests/gates/collect.rs";
const FIX: &str = "crates/gates/tests/gates/fix.rs";
const FIXED: &str = "crates/gates/tests/gates/fixed.rs";
const ACTIVATION: &str = "crates/gates/tests/gates/activation.rs";
const M1: &str = "crates/gates/tests/gates/m1.rs";
const M2: &str = "crates/gates/tests/gates/m2.rs";
const OVERLAYS: &str = "crates/gates/tests/gates/overlays.rs";
const SERVICES: &str = "crates/gates/tests/gates/services.rs";
const ANY: &str = "crates/gates/tests/gates/any_swarm.rs";
const BEFORE: &str = "crates/gates/tests/gates/before.rs";
const WINDOW: &str = "crates/gates/src/window/judge.rs";
const SHELL: &str = "crates/gates/src/creation/shell.rs";
const CLI_GATES: &str = "crates/cli/tests/cli/gates.rs";
const CLI_RESIZE: &str = "crates/cli/tests/cli/resize.rs";
const CLI_SUBNET: &str = "crates/cli/tests/plan_subnet.rs";
const MAIN_JOB: &str = "crates/cli/tests/cli/main_job.rs";
const PLAN: &str = "crates/ipam/tests/plan.rs";
const REMOVAL: &str = "crates/swarm/tests/engine/removal.rs";
const RENEW: &str = "crates/swarm/tests/engine/renew.rs";
const SECRETS: &str = "crates/swarm/tests/engine/secrets.rs";
const SCAN: &str = "crates/journal/tests/scan.rs";
const JUDGED: &str = "crates/routes/src/judge/tests.rs";
const LEDGER: &str = "crates/cli/tests/cli/ledger.rs";
const REPOSITORY: &str = "it is a rule for a repository, and its host enforces it";

pub(crate) const SECTIONS: [Section; 7] = [
    Section(
        'A',
        "Before anything is changed",
        &[
            asked(
                1,
                "nothing is changed outside of a quiet window",
                &[Test(FIX, "a_window_that_is_busy_or_cannot_be_looked_at")],
            ),
            asked(
                2,
                "no upgrade run is alive",
                &[Test(WINDOW, "each_sign_of_the_host_is_named_and_what_was_not_seen_is_busy")],
            ),
            asked(
                3,
                "no test run is active",
                &[Test(WINDOW, "run_stacks_are_known_by_their_names_and_some_may_stay")],
            ),
            asked(
                4,
                "no sweep of many runs is in progress",
                &[Test(WINDOW, "each_sign_of_the_host_is_named_and_what_was_not_seen_is_busy")],
            ),
            asked(
                5,
                "no stack of a run is deployed, by the names that runs really have",
                &[Test(WINDOW, "run_stacks_are_known_by_their_names_and_some_may_stay")],
            ),
            asked(
                6,
                "the window has a verdict, with what was looked at",
                &[Test(FIX, "a_window_that_is_busy_or_cannot_be_looked_at")],
            ),
            asked(
                7,
                "the stacks that lose their routing meanwhile are listed",
                &[Test(FIX, "a_host_that_is_ready_passes_and_nothing_of_it_is_touched")],
            ),
            asked(
                8,
                "the phase before is done and both its gates passed",
                &[Test(BEFORE, "each_thing_that_is_wrong_with_a_report_has_its_verdict_and_reason")],
            ),
            asked(
                9,
                "the overlay has the subnet that is intended",
                &[Test(M1, "another_subnet_than_the_one_declared")],
            ),
            asked(10, "the core services are back", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(
                11,
                "where the Swarm is not what was planned for, nothing is changed",
                &[
                    Test(FIX, "whatever_keeps_the_renewal_from_being_done"),
                    Test(
                        "crates/swarm/tests/engine/renew_meanwhile.rs",
                        "what_changed_between_the_plan_and_the_lock_keeps_it_from_being_begun",
                    ),
                ],
            ),
        ],
    ),
    Section(
        'B',
        "The subnet",
        &[
            asked(
                12,
                "the subnet of every network is read, of all drivers",
                &[Test(
                    "crates/audit/src/subnets.rs",
                    "everything_that_is_taken_has_its_owner_and_its_sources",
                )],
            ),
            asked(
                13,
                "so are the host's own addresses and routes",
                &[Test("crates/audit/src/subnets.rs", "without_the_host_only_the_engine_counts")],
            ),
            asked(
                14,
                "the candidate overlaps none of these",
                &[
                    Test(PLAN, "the_host_of_the_incident"),
                    Test(FIX, "a_subnet_that_is_there_already_or_taken_is_no_plan"),
                ],
            ),
            asked(
                15,
                "a preferred subnet that does not fit is replaced by another, with the reason",
                &[Test(PLAN, "a_preferred_subnet_that_collides_is_listed_and_another_chosen")],
            ),
            asked(
                16,
                "the proof is of what is live",
                &[Test(CLI_SUBNET, "an_engine_that_cannot_be_seen_is_exit_3")],
            ),
            asked(
                17,
                "two lists of subnets, each collected on its own, are compared",
                &[Test(LEDGER, "one_forged_figure_fails_and_is_named_in_every_format")],
            ),
            asked(18, "capacity and room are numbers", &[Test(M1, "too_little_room")]),
        ],
    ),
    Section(
        'C',
        "The change of the configuration",
        &[
            asked(
                19,
                "the source creates the overlay with an explicit subnet",
                &[Test(FIX, "a_declared_file_that_does_not_say_it")],
            ),
            asked(
                20,
                "creation happens only where the network is missing",
                &[Elsewhere("only running the script would tell; what follows from it is requirement 140")],
            ),
            asked(21, "the patch is as small as can be", &[Elsewhere("it is a matter of review")]),
            asked(
                22,
                "a comment in the source names the failure and the procedure",
                &[Elsewhere("it is a matter of review")],
            ),
            asked(
                23,
                "the line in the source is named by file and line",
                &[Test(SHELL, "a_line_that_goes_on_is_named_by_its_beginning")],
            ),
            asked(24, "the change is committed and pushed without force", &[Elsewhere(REPOSITORY)]),
            asked(
                25,
                "no secret is in any output",
                &[
                    Test(SECRETS, "no_result_tells_a_secret"),
                    Test(SECRETS, "no_error_tells_a_secret"),
                    Test(SCAN, "no_secret_gets_into_a_scan"),
                ],
            ),
            asked(26, "changes of recipes are not merged along", &[Elsewhere(REPOSITORY)]),
        ],
    ),
    Section(
        'D',
        "The maintenance",
        &[
            asked(
                27,
                "every step is written down before the first, with the services",
                &[Test(RENEW, "a_plan_only_reads"), Test(FIX, "a_service_that_the_plan_does_not_name")],
            ),
            asked(
                28,
                "the network and who is on it are saved before",
                &[Test(RENEW, "its_file_says_how_a_renewal_ended_and_the_swarm_shows_the_same")],
            ),
            asked(
                29,
                "live run stacks are drained where that is needed",
                &[Test(REMOVAL, "dockers_order_leaks_one_address_per_task_and_the_drained_one_none")],
            ),
            asked(
                30,
                "services go off the network, tasks end, the network goes, its successor comes, services return",
                &[
                    Test(RENEW, "by_either_way_the_network_is_wider_and_nothing_else_has_changed"),
                    Test(FIXED, "a_renewal_that_was_undone_is_under_way_or_left_its_lock"),
                ],
            ),
            asked(
                31,
                "a network is not resized in place",
                &[
                    Test(FIX, "whatever_keeps_the_renewal_from_being_done"),
                    Test(FIXED, "a_network_that_another_client_created_since_or_that_is_left"),
                ],
            ),
            asked(
                32,
                "stacks that are not on the overlay are left out",
                &[Test(FIX, "a_service_that_the_plan_does_not_name")],
            ),
            asked(
                33,
                "every unit of the procedure is there",
                &[Test(CLI_GATES, "an_overlay_is_renewed_between_its_two_gates")],
            ),
            asked(
                34,
                "router and control plane rejoin",
                &[Test(
                    FIXED,
                    "a_service_without_a_task_or_an_address_and_one_that_the_configuration_forgets",
                )],
            ),
            asked(
                35,
                "the host is rebuilt from its canonical checkout",
                &[Elsewhere(
                    "which checkout is canonical is for its owner to say; [[renewal.before]] runs the command",
                )],
            ),
            asked(
                36,
                "what creates the network is run again after the rebuild",
                &[Test(CLI_RESIZE, "commands_are_run_around_it_and_the_routes_are_asked_meanwhile")],
            ),
            asked(
                37,
                "what went otherwise than planned is on record",
                &[Test(CLI_RESIZE, "a_command_that_fails_after_it_is_told_and_the_renewal_is_done")],
            ),
        ],
    ),
    Section(
        'E',
        "After the maintenance",
        &[
            asked(
                38,
                "the live subnet is the declared one, with the time of its creation",
                &[
                    Test(FIXED, "another_subnet_leaks_a_route_and_the_log"),
                    Test(FIXED, "a_network_that_another_client_created_since_or_that_is_left"),
                ],
            ),
            asked(
                39,
                "IPAM driver and gateway are reported",
                &[Test(FIXED, "a_renewed_overlay_passes_every_check")],
            ),
            asked(
                40,
                "every service has its replicas, by name",
                &[Test(M1, "too_few_replicas"), Test(SERVICES, "more_tasks_than_asked_for")],
            ),
            asked(
                41,
                "the unit that creates the network was active when it was created",
                &[
                    Test(ACTIVATION, "the_unit_created_it_found_it_or_ran_before_the_renewal"),
                    Test(ACTIVATION, "an_overlay_that_neither_unit_nor_renewal_created_fails"),
                ],
            ),
            asked(
                42,
                "the deployed script has the subnet, not only the source",
                &[Test(FIXED, "columns_that_differ_are_named_with_their_places")],
            ),
            asked(
                43,
                "each service has rejoined, with addresses of the new range",
                &[
                    Test(
                        FIXED,
                        "a_service_without_a_task_or_an_address_and_one_that_the_configuration_forgets",
                    ),
                    Test(M1, "a_replica_without_its_overlay_address"),
                ],
            ),
            asked(44, "core routes answer", &[Test(M1, "a_route_with_another_status")]),
            asked(
                45,
                "each service of the control plane is reached",
                &[Test(MAIN_JOB, "a_service_without_tasks_fails_its_route_and_no_other")],
            ),
        ],
    ),
    Section(
        'F',
        "Facts of the control plane",
        &[
            asked(46, "the overlay's subnet", &[Test(M1, "another_subnet_than_the_one_declared")]),
            asked(
                47,
                "how many addresses are owned, and how many nobody owns",
                &[
                    Test(M1, "a_duplicate_vip"),
                    Test(OVERLAYS, "addresses_that_are_leaked_already_fail_the_gate_and_are_named"),
                ],
            ),
            asked(
                48,
                "everything that is deployed, declared or not",
                &[
                    Test(
                        SERVICES,
                        "services_of_no_configuration_are_named_with_what_runs_and_the_gate_passes",
                    ),
                    Test(ANY, "a_stack_and_a_pattern_are_a_check_over_every_service_that_they_name"),
                ],
            ),
            asked(49, "the router runs", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(50, "the CI server runs", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(51, "the bridge runs", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(52, "the dashboard runs", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(53, "the report service runs", &[Test(M1, "each_service_scaled_to_nothing")]),
            asked(
                54,
                "lines about addresses in the engine's log",
                &[Test(M1, "an_exhaustion_line_in_the_log")],
            ),
            asked(
                55,
                "what was asked and what was seen, verbatim",
                &[Test(M1, "a_healthy_world_passes_every_check_with_evidence")],
            ),
        ],
    ),
    Section(
        'G',
        "Routes from outside",
        &[
            asked(56, "the CI server's route", &[Test(M1, "a_route_with_another_status")]),
            asked(
                57,
                "the dashboard's route",
                &[Test(M1, "a_route_that_refuses_and_one_that_could_not_be_asked")],
            ),
            asked(
                58,
                "the bridge's, where it is exposed",
                &[Test(MAIN_JOB, "a_bridge_without_tasks_fails_although_its_healthy_answer_is_a_404")],
            ),
            asked(
                59,
                "the report site's route",
                &[Test(MAIN_JOB, "a_world_without_its_router_has_no_route")],
            ),
            asked(
                60,
                "each route has its own expected status; another than 200 may be the healthy one",
                &[Test(JUDGED, "the_statuses_of_the_mission_are_fine_where_expected_only")],
            ),
            asked(
                61,
                "routes are asked through the router",
                &[
                    Test(M2, "a_canary_that_the_router_does_not_reach"),
                    Test(MAIN_JOB, "a_world_without_its_router_has_no_route"),
                ],
            ),
            asked(
                62,
                "while a core route is down nothing is deployed",
                &[Test(COLLECT, "m2_deploys_nothing_while_a_core_route_is_down")],
            ),
        ],
    ),
];

//! Checks the guarantees in every reachable state.

use super::*;
use std::collections::{HashSet, VecDeque};

const INPUTS: [Input; 27] = [
    Input::Power(Power::Start),
    Input::Power(Power::Stop),
    Input::Power(Power::Restart),
    Input::Power(Power::Kill),
    Input::StopTyped,
    Input::StopDelivered,
    Input::StopLost,
    Input::Ready,
    Input::BootFailed,
    Input::Exited(Ending::Clean),
    Input::Exited(Ending::Badly),
    Input::Exited(Ending::Interrupted),
    Input::Exited(Ending::ByHand),
    Input::BootInterrupted,
    Input::StopDeadline,
    Input::BackoffOver,
    Input::Calm,
    Input::Suspend,
    Input::Unsuspend,
    Input::Install { start: true },
    Input::Install { start: false },
    Input::InstallEnded { ok: true },
    Input::InstallEnded { ok: false },
    Input::CancelInstall,
    Input::InstallDropped,
    Input::TakenOver,
    Input::FoundRunning,
];

/// The real state of the world, in contrast to the state machine's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct World {
    life: Life,
    process: bool,
    installer: bool,
    deadline: bool,
    backoff: bool,
}

const START: World =
    World { life: Life::NEW, process: false, installer: false, deadline: false, backoff: false };

fn policies() -> impl Iterator<Item = Policy> {
    [RestartPolicy::Always, RestartPolicy::UnlessStopped, RestartPolicy::Never].into_iter().flat_map(
        |restart| {
            [(true, true), (true, false), (false, false)].map(|(detect_crashes, clean_exit_is_crash)| {
                Policy { restart, detect_crashes, clean_exit_is_crash, max_crashes: 3 }
            })
        },
    )
}

fn possible(world: World, input: Input) -> bool {
    match input {
        Input::Exited(_) | Input::Ready => world.process,
        // A process that has booted can only exit.
        Input::BootFailed | Input::BootInterrupted => world.process && world.life.phase != Phase::Running,
        Input::StopDelivered => world.life.asking,
        Input::StopLost => world.deadline,
        Input::StopDeadline => world.deadline,
        Input::BackoffOver => world.backoff,
        Input::InstallEnded { .. } => world.installer,
        // Timers end with the daemon that armed them.
        Input::FoundRunning => !world.process && !world.installer,
        Input::TakenOver => world.life.phase == Phase::Offline && !world.installer,
        _ => true,
    }
}

fn consistent(world: World) {
    let life = world.life;
    assert_eq!(
        life.phase == Phase::Stopping,
        world.deadline || life.asking,
        "{life:?}: stopping has a deadline or is still being asked, nothing else is"
    );
    assert!(!(world.deadline && life.asking), "{life:?}: no deadline runs before it was asked");
    assert_eq!(life.phase != Phase::Offline, world.process, "{life:?}: offline is when there is no process");
    assert_eq!(life.rest == Rest::Waiting, world.backoff, "{life:?}: waiting ends by itself");
    assert_eq!(
        life.hold == Some(Hold::Installing),
        world.installer,
        "{life:?}: installing is when there is an installer"
    );
    assert!(life.next == Next::Nothing || life.phase == Phase::Stopping, "{life:?}");
    assert!(life.rest == Rest::Idle || life.phase == Phase::Offline, "{life:?}");
    assert!(!world.installer || !world.process, "{life:?}: never both at the same files");
}

fn apply(world: World, policy: Policy, input: Input) -> Option<World> {
    let life = world.life;
    let (next, effects) = life.step(policy, input).ok()?;
    let ended = matches!(input, Input::Exited(_) | Input::BootFailed | Input::BootInterrupted);
    let mut after = World {
        life: next,
        process: (world.process && !ended) || input == Input::FoundRunning,
        installer: world.installer && !matches!(input, Input::InstallEnded { .. }),
        backoff: world.backoff && !matches!(input, Input::BackoffOver | Input::TakenOver),
        ..world
    };
    for effect in effects {
        match effect {
            Effect::Boot => {
                assert!(!after.process, "{life:?} {input:?} starts a second process");
                assert!(!next.suspended, "{life:?} {input:?} starts what is suspended");
                assert_eq!(next.hold, None, "{life:?} {input:?} starts what is not installed");
                after.process = true;
            }
            Effect::Install => {
                assert!(!after.installer, "{life:?} {input:?} installs twice at once");
                after.installer = true;
            }
            Effect::ArmStopDeadline => after.deadline = true,
            Effect::DisarmStopDeadline => after.deadline = false,
            Effect::ArmBackoff => after.backoff = true,
            Effect::DisarmBackoff => after.backoff = false,
            _ => {}
        }
    }
    Some(after)
}

/// Every state reachable under `policy`, including the steps between them.
fn reachable(policy: Policy) -> HashSet<World> {
    let mut seen = HashSet::new();
    let mut open = VecDeque::from([START]);
    while let Some(world) = open.pop_front() {
        if !seen.insert(world) {
            continue;
        }
        consistent(world);
        let inputs = INPUTS.into_iter().filter(|input| possible(world, *input));
        open.extend(inputs.filter_map(|input| apply(world, policy, input)));
    }
    seen
}

#[test]
fn every_reachable_state_keeps_the_promises() {
    for policy in policies() {
        let seen = reachable(policy);
        assert!(seen.len() > 20, "only {} states were reached", seen.len());
    }
}

#[test]
fn what_is_said_to_be_accepted_is_what_the_machine_accepts() {
    for policy in policies() {
        for World { life, .. } in reachable(policy) {
            let reported = Life::reported(life.phase, life.hold, life.rest == Rest::Waiting, life.suspended);
            for action in Power::ALL {
                let accepted = life.step(policy, Input::Power(action)).is_ok();
                assert_eq!(reported.accepts(action), accepted, "{action:?} in {life:?}");
            }
        }
    }
}

#[test]
fn kill_always_ends_offline() {
    for policy in policies() {
        for world in reachable(policy).into_iter().filter(|world| world.process) {
            let (life, effects) = world.life.step(policy, Input::Power(Power::Kill)).unwrap();
            assert!(effects.contains(&Effect::Kill));
            for ending in [Ending::Clean, Ending::Badly, Ending::Interrupted] {
                let (life, effects) = life.step(policy, Input::Exited(ending)).unwrap();
                assert_eq!(life.phase, Phase::Offline);
                assert!(!effects.contains(&Effect::Boot));
            }
        }
    }
}

#[test]
fn the_time_to_stop_begins_when_the_process_was_asked_and_nothing_kills_it_before() {
    let stops = [
        Input::Power(Power::Stop),
        Input::Power(Power::Restart),
        Input::StopTyped,
        Input::Suspend,
        Input::Install { start: false },
    ];
    let up = |world: &World| matches!(world.life.phase, Phase::Starting | Phase::Running);
    for policy in policies() {
        for world in reachable(policy).into_iter().filter(up) {
            for stop in stops {
                let Ok((life, effects)) = world.life.step(policy, stop) else { continue };
                if life.phase != Phase::Stopping {
                    continue;
                }
                assert!(life.asking && !effects.contains(&Effect::ArmStopDeadline), "{world:?} {stop:?}");
                let (still, effects) = life.step(policy, Input::StopDeadline).unwrap();
                assert_eq!((still, effects), (life, vec![]), "a deadline of before means nothing");
                let (asked, effects) = life.step(policy, Input::StopDelivered).unwrap();
                assert_eq!((asked.asking, effects), (false, vec![Effect::ArmStopDeadline]));
                let (lost, effects) = asked.step(policy, Input::StopLost).unwrap();
                assert_eq!((lost, effects), (life, vec![Effect::DisarmStopDeadline]), "it is asked again");
                let (_, effects) = asked.step(policy, Input::StopDeadline).unwrap();
                assert_eq!(effects, [Effect::Kill, Effect::ArmStopDeadline]);
            }
        }
    }
}

#[test]
fn a_kill_does_not_wait_for_a_stop_that_was_not_delivered() {
    let running = Life { phase: Phase::Running, wanted: true, ..Life::NEW };
    let (asking, _) = running.step(Policy::default(), Input::Power(Power::Stop)).unwrap();
    let (life, effects) = asking.step(Policy::default(), Input::Power(Power::Kill)).unwrap();
    assert_eq!((life.asking, effects), (false, vec![Effect::Kill, Effect::ArmStopDeadline]));
}

#[test]
fn a_state_that_an_earlier_version_saved_is_read() {
    let saved = r#"{"phase":"stopping","next":"nothing","hold":null,"start_installed":false,"suspended":false,
        "wanted":false,"by_itself":false,"crashes":0,"rest":"idle"}"#;
    let life: Life = serde_json::from_str(saved).unwrap();
    assert_eq!((life.phase, life.asking), (Phase::Stopping, false));
}

#[test]
fn whoever_stopped_it_finds_it_stopped_after_a_restart_of_the_daemon_unless_it_is_always_to_run() {
    for policy in policies() {
        for world in reachable(policy).into_iter().filter(|world| world.process) {
            let Ok((life, _)) = world.life.step(policy, Input::Power(Power::Stop)) else { continue };
            let (life, _) = life.step(policy, Input::Exited(Ending::Clean)).unwrap();
            let (life, _) = life.step(policy, Input::TakenOver).unwrap();
            let back = life.phase == Phase::Starting;
            let allowed = policy.restart == RestartPolicy::Always && !life.suspended && life.hold.is_none();
            assert_eq!(back, allowed, "{policy:?} {life:?}");
        }
    }
}

#[test]
fn what_never_comes_back_is_never_started_but_by_people() {
    for policy in policies().filter(|policy| policy.restart == RestartPolicy::Never) {
        for world in reachable(policy) {
            for input in INPUTS.into_iter().filter(|input| possible(world, *input)) {
                let Ok((_, effects)) = world.life.step(policy, input) else { continue };
                let asked = world.life.next == Next::Start
                    || matches!(input, Input::Power(_) | Input::InstallEnded { .. });
                assert!(asked || !effects.contains(&Effect::Boot), "{world:?} {input:?}");
            }
        }
    }
}

#[test]
fn repeated_crashes_end_in_quarantine_and_a_person_ends_that() {
    let policy = Policy { max_crashes: 3, ..Policy::default() };
    let mut life = Life { phase: Phase::Running, wanted: true, ..Life::NEW };
    for crash in 1..=2 {
        let (waiting, effects) = life.step(policy, Input::Exited(Ending::Badly)).unwrap();
        assert_eq!((waiting.rest, waiting.crashes), (Rest::Waiting, crash));
        assert_eq!(Effect::outcome(&effects), Some(Outcome::Crashed));
        assert!(effects.contains(&Effect::ArmBackoff));
        life = waiting.step(policy, Input::BackoffOver).unwrap().0;
        life = life.step(policy, Input::Ready).unwrap().0;
    }
    let (life, _) = life.step(policy, Input::Exited(Ending::Badly)).unwrap();
    assert_eq!((life.phase, life.rest), (Phase::Offline, Rest::Quarantined));
    assert_eq!(life.step(policy, Input::TakenOver).unwrap().0, life, "a new daemon leaves it alone");
    let (life, effects) = life.step(policy, Input::Power(Power::Start)).unwrap();
    assert!(effects.contains(&Effect::Boot));
    assert_eq!(life.crashes, 0);
}

#[test]
fn what_somebody_stops_on_the_host_stays_offline_and_is_no_crash() {
    for policy in policies() {
        for phase in [Phase::Starting, Phase::Running] {
            let life = Life { phase, wanted: true, ..Life::NEW };
            let (life, effects) = life.step(policy, Input::Exited(Ending::ByHand)).unwrap();
            assert_eq!((life.phase, life.wanted, life.crashes), (Phase::Offline, false, 0));
            assert_eq!(effects, [Effect::Ended(Outcome::EndedByHand)]);
        }
    }
}

#[test]
fn what_is_found_running_is_kept_unless_it_is_suspended() {
    let (life, effects) = Life::NEW.step(Policy::default(), Input::FoundRunning).unwrap();
    assert_eq!((life.phase, life.wanted), (Phase::Running, true));
    assert!(!effects.contains(&Effect::Boot) && !effects.contains(&Effect::Kill));
    let suspended = Life { suspended: true, ..Life::NEW };
    let (life, effects) = suspended.step(Policy::default(), Input::FoundRunning).unwrap();
    assert_eq!(life.phase, Phase::Stopping);
    assert!(effects.contains(&Effect::AskToStop) && !effects.contains(&Effect::Kill));
}

#[test]
fn a_calm_while_forgives_earlier_crashes() {
    let life = Life { phase: Phase::Running, crashes: 2, wanted: true, ..Life::NEW };
    assert_eq!(life.step(Policy::default(), Input::Calm).unwrap().0.crashes, 0);
}

#[test]
fn an_end_with_the_host_is_answered_by_a_start_and_is_no_crash() {
    let running = Life { phase: Phase::Running, wanted: true, ..Life::NEW };
    let (life, effects) = running.step(Policy::default(), Input::Exited(Ending::Interrupted)).unwrap();
    assert_eq!((life.phase, life.crashes), (Phase::Starting, 0));
    assert_eq!(Effect::outcome(&effects), Some(Outcome::Recovered));
    let never = Policy { restart: RestartPolicy::Never, ..Policy::default() };
    let (life, effects) = running.step(never, Input::Exited(Ending::Interrupted)).unwrap();
    assert_eq!((life.phase, Effect::outcome(&effects)), (Phase::Offline, Some(Outcome::Interrupted)));
}

#[test]
fn a_player_who_types_the_stop_command_causes_no_crash() {
    let running = Life { phase: Phase::Running, ..Life::NEW };
    let (life, _) = running.step(Policy::default(), Input::StopTyped).unwrap();
    let (life, effects) = life.step(Policy::default(), Input::Exited(Ending::Badly)).unwrap();
    assert_eq!(life.phase, Phase::Offline);
    assert_eq!(effects, [Effect::Ended(Outcome::Stopped), Effect::DisarmStopDeadline]);
}

#[test]
fn exit_code_0_is_a_crash_only_for_those_who_say_so() {
    let running = Life { phase: Phase::Running, wanted: true, ..Life::NEW };
    let (life, effects) = running.step(Policy::default(), Input::Exited(Ending::Clean)).unwrap();
    assert_eq!((life.phase, life.rest, life.wanted), (Phase::Offline, Rest::Idle, false));
    assert_eq!(effects, [Effect::Ended(Outcome::Finished)]);
    let policy = Policy { clean_exit_is_crash: true, ..Policy::default() };
    let (life, effects) = running.step(policy, Input::Exited(Ending::Clean)).unwrap();
    assert_eq!((life.rest, Effect::outcome(&effects)), (Rest::Waiting, Some(Outcome::Crashed)));
}

#[test]
fn an_installation_of_what_runs_stops_it_first_and_starts_it_afterwards_where_asked() {
    let policy = Policy::default();
    let running = Life { phase: Phase::Running, wanted: true, ..Life::NEW };
    let (life, effects) = running.step(policy, Input::Install { start: true }).unwrap();
    assert!(effects.contains(&Effect::AskToStop) && !effects.contains(&Effect::Install));
    let (life, effects) = life.step(policy, Input::Exited(Ending::Clean)).unwrap();
    assert!(effects.contains(&Effect::Install));
    assert_eq!(life.step(policy, Input::Power(Power::Start)).unwrap_err(), Refused::Installing);
    let (life, effects) = life.step(policy, Input::InstallEnded { ok: true }).unwrap();
    assert!(effects.contains(&Effect::Boot));
    assert_eq!(life.phase, Phase::Starting);
}

#[test]
fn what_failed_to_install_starts_only_once_it_is_installed_or_marked_so() {
    let policy = Policy::default();
    let (life, _) = Life::NEW.step(policy, Input::Install { start: true }).unwrap();
    let (life, _) = life.step(policy, Input::InstallEnded { ok: false }).unwrap();
    assert_eq!(life.step(policy, Input::Power(Power::Start)).unwrap_err(), Refused::InstallFailed);
    let (life, _) = life.step(policy, Input::InstallDropped).unwrap();
    assert!(life.step(policy, Input::Power(Power::Start)).is_ok());
}

#[test]
fn every_end_of_a_process_says_once_what_it_means_and_nothing_else_does() {
    for policy in policies() {
        for world in reachable(policy) {
            for input in INPUTS.into_iter().filter(|input| possible(world, *input)) {
                let Ok((life, effects)) = world.life.step(policy, input) else { continue };
                let outcomes = effects.iter().filter(|effect| matches!(effect, Effect::Ended(_))).count();
                let ended = matches!(input, Input::Exited(_));
                assert_eq!(outcomes, usize::from(ended), "{world:?} {input:?}: {effects:?}");
                let crashed = Effect::outcome(&effects) == Some(Outcome::Crashed);
                let counted = life.crashes > world.life.crashes && input != Input::BootFailed;
                let saturated = world.life.crashes == u8::MAX;
                assert!(
                    crashed == counted || saturated,
                    "{world:?} {input:?}: what is told is what is counted"
                );
            }
        }
    }
}

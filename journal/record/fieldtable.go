// The table of evidence names, in the sections of the requirements (seeds H2-1 to H2-11, FAQ, units and jobs).

package record

// Where names are kept that no body carries.
const (
	prevLink = "journal: the link of the record before, made of the bodies and proved by the commit frame; a column of an export"
	ownLink  = "journal: the link of the record, made of the bodies and proved by the commit frame; a column of an export"
)

var sections = []section{
	{"Identity and order", []names{
		{itself, "", "event_seq, event_type, ts_mono_ns, ts_utc, sync_state, offset_ms, time_source, batch_id, recipe_id, recipe_version, " +
			"step_id, action_id, operator_id, equipment_id, device_id, mapping_version, calib_version, tag_map_version, " +
			"device_profile_id, meter_window_id, result, export_ref, step_state"},
		{another, "ts_mono_ns", "event_ts_mono, ts_mono"},
		{another, "ts_utc", "event_ts_utc"},
		{another, "ts_mono_ns, ts_utc", "event_ts"},
		{another, "recipe_version", "recipe_ver"},
		{another, "mapping_version", "mapping_ver"},
		{another, "calib_version", "calib_ver"},
		{another, "result", "result_code"},
		{value, "step_state", "start, end, abort, resume, hold, retry, step_start, step_end"},
		{outside, prevLink, "hash_prev"},
		{outside, ownLink, "hash_curr"},
		{outside, "journal: the pair hash_prev and hash_curr", "hash_chain"},
		{outside, "journal: CRC of each frame, link in the commit frame", "crc/hash"},
	}},
	{"Sequencing", []names{
		{itself, "", "event_queue_depth, dispatch_latency_ms, loop_latency_ms, scan_time_ms, storage_commit_time_ms, backpressure, " +
			"resource_id, owner_step_id, wait_reason, timeout_ms, timeout_reason, retry_count, checkpoint_id, checkpoint_period, " +
			"phase_state, delta_ms, P95, P99"},
		{another, "event_queue_depth", "queue_depth"},
		{another, "checkpoint_id", "checkpoint"},
	}},
	{"Interlocks", []names{
		{itself, "", "interlock_id, interlock_gate_state, debounce_ms, vote_window_ms, safe_state, result"},
		{another, "interlock_gate_state", "interlock_gate, gate state"},
		{another, "vote_window_ms", "vote_win"},
	}},
	{"I/O map, safe state, override", []names{
		{itself, "", "logical_tag, protocol_binding, physical_channel, polarity, scaling, mapping_version, effective_from, approved_by, " +
			"raw_state, debounced_state, debounce_ms, filter_type, filter_param, safe_value, recover_policy, safe_state, " +
			"safe_state_reason, safe_state_table, forced_flag, override_role, operator_role, override_grant, override_duration, expiry"},
		{another, "edge_level", "edge/level"},
		{value, "polarity", "invert"},
		{value, "scaling", "gain, offset"},
		{value, "recover_policy", "drop, hold, latch"},
	}},
	{"Metering", []names{
		{itself, "", "meter_window_id, sample_period_ms, filter_type, filter_param, window_start_event, window_stop_event, " +
			"window_start_ts_mono, window_end_ts_mono, totalized_value, unit, calib_version, effective_from, batch_total, meter_total, " +
			"historian_total, reconcile_status, delta, hint"},
		{another, "window_start_event", "window_start"},
		{another, "window_stop_event", "window_stop"},
		{another, "totalized_value", "totalizer, snapshots"},
		{another, "reconcile_status", "reconcile"},
		{another, "expiry", "validity"},
		{value, "reconcile_status", "PASS, WARN, FAIL"},
		{value, "hint", "window mismatch, calibration mismatch, missing samples, time jump"},
	}},
	{"Time", []names{
		{itself, "", "ts_mono_ns, ts_utc, sync_state, time_source, source_change, offset_ms, last_sync_ts, " +
			"holdover_age_s, holdover_state, time_step_count"},
		{another, "primary_backup", "primary/backup"},
		{another, "last_sync_ts", "last_sync"},
		{another, "holdover_age_s", "holdover_age"},
		{value, "sync_state", "PTP_LOCKED, NTP_SYNC, HOLDOVER, RTC_ONLY, UNSET"},
	}},
	{"Change, approval, security", []names{
		{itself, "", "actor, change_reason, impact_scope, approval_id, approved_by, effective_from, effective batch range, " +
			"rollback_reason, schema_version"},
		{another, "from_version, to_version", "from/to version"},
		{another, "old_value", "old value"},
		{another, "new_value", "new value"},
	}},
	{"Storage and recovery", []names{
		{itself, "", "active_slot, crc/hash, checkpoint_last_seq, recovery_event, recovery_path, truncate_tail, loss_interval_s, " +
			"bytes_written_total, write_amplification, wear_index, erase_count_max, bad_block_count, storage_health_state, " +
			"events_per_second, checkpoint_period"},
		{another, "truncate_tail", "truncate point"},
		{another, "bytes_written_total", "bytes_wr"},
		{another, "wear_index", "wear_idx"},
		{another, "bad_block_count", "bad_blk"},
		{another, "storage_health_state", "health_state"},
		{outside, "journal: the commit frame that ends a group", "commit_marker"},
	}},
	{"Buses", []names{
		{itself, "", "tag_map_version, device_profile_id, unit, scaling, quality, age_ms, watchdog_state, reconnect_count, " +
			"link_failover_event, resync_complete_event, control_plane_latency_ms, latency_budget, telemetry_backlog"},
		{another, "resync_complete_event", "resync, re-sync"},
		{value, "quality", "GOOD, STALE, BAD"},
		{outside, "made of quality: true where it is STALE", "stale_flag"},
		{outside, "made of ts_mono_ns less age_ms", "last_update_ts_mono"},
	}},
	{"Export and verification", []names{
		{itself, "", "export_ref, hash_prev, hash_curr, hash_chain_verify_result, reconcile_status"},
		{another, "hash_chain_verify_result", "verify_result"},
	}},
	{"Test T1", []names{{itself, "", "ts_mono_ns, event_seq, delta_ms, P95, P99, time_step_count, batch_id, step_id"}}},
	{"Test T2", []names{{itself, "", "debounce_ms, vote_window_ms, interlock_gate_state, safe_state, result"}}},
	{"Test T3", []names{{itself, "", "window_start_event, window_stop_event, totalized_value, calib_version, batch_total, meter_total, " +
		"historian_total, reconcile_status"}}},
	{"Test T4", []names{{itself, "", "recovery_event, recovery_path, checkpoint_last_seq, truncate_tail, loss_interval_s, hash_prev, " +
		"hash_curr"}}},
	{"Test T5", []names{
		{itself, "", "bytes_written_total, wear_index, erase_count_max, bad_block_count, storage_health_state"},
		{another, "budget_assumptions", "budget assumptions"},
	}},
	{"Test T6", []names{{itself, "", "quality, age_ms, watchdog_state, reconnect_count, link_failover_event, resync_complete_event"}}},
	{"Test T7", []names{{itself, "", "recipe_version, approval_id, effective_from, rollback_reason, impact_scope, batch_id"}}},
	{"Test T8", []names{{itself, "", "export_ref, hash_prev, hash_curr, hash_chain_verify_result, reconcile_status"}}},
	{"Unit runs", []names{
		{another, "run_id", "unique process unit run id"},
		{another, "main_ident", "MainIdent"},
		{another, "run_definition", "run definition"},
		{another, "status_code", "StatusCode"},
		{another, "created_ts", "create time"},
		{another, "started_ts", "start time"},
		{another, "ended_ts", "end time"},
		{another, "from_unit", "previous tracker process unit"},
		{outside, "unit_run: its run_state, and in status_code its native bit", "state"},
		{outside, "unit_run: bits 16 to 31 of its status_code, of which one is set (unitrun.Status)", "NativeBit"},
		{outside, "unit_run: bits 0 to 15 of its status_code (unitrun.Status)", "meta bits"},
		{outside, "unit_run_material: the material_id and run_id of those with result linked", "linked material"},
		{value, "status_code", "Active in tracker, Running, Canceled, Ready, Finished, Created, Started, Failure, Regret"},
	}},
	{"Executive and jobs", []names{
		{value, "life_state", "Ready, Load Failed, Lost"},
		{outside, "batch_life: a life_state of Removing, or Clearing behind it", "being removed"},
		{outside, "job_state: a job_state of Initial, and before the job has one (jobs.ClassIdle)", "Idle"},
		{value, "job_state", "Waiting, Running, Completing, Completed"},
		{value, "slot", "running slot, completing slot, resume slot"},
		{another, "job_state", "JobUpdated"},
		{outside, "job_slot: a group of jobs with slot_state taken", "Scheduled"},
		{outside, "job_slot: a group of jobs with slot running", "AssignRunning"},
		{outside, "job_notice: one with result slot_available", "SlotAvailable"},
		{outside, "nowhere: no job is offered; which may go on follows from the records before, after each of them (batch/jobs)", "SchedulableJobs, JobsReady"},
	}},
}

"""Metric families by what a rule can do with them: most as public exporters have them, a few made in their manner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal[
    "high",
    "low",
    "used",
    "free",
    "counter",
    "requests",
    "latency",
    "alive",
    "broken",
    "stamp",
    "restarts",
    "stored",
    "latched",
    "lagging",
    "absent",
]
"""A gauge that is bad when high or low; used of a capacity, or free of it; a counter of what should not happen;
requests by status; a histogram of latency; a flag that should be 1, or 0; the time of the last success; restarts;
what fills up; a counter compared as it stands; two gauges of which one lags; something that must be there."""


@dataclass(frozen=True, slots=True)
class Family:
    """``name`` as the exporter has it (with ``_total``, without ``_bucket``). ``unit`` picks the thresholds that
    people write, ``part`` is a label that tells the parts of one target apart, ``whole`` its capacity."""

    name: str
    role: Role
    unit: str = "count"
    part: str = ""
    whole: str = ""


THRESHOLDS: dict[str, tuple[float, ...]] = {
    "ratio": (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9),
    "percent": (50, 60, 70, 75, 80, 85, 90),
    "seconds": (0.25, 0.5, 1, 1.5, 2, 3, 5),
    "lag": (10, 30, 60, 120, 300, 600, 1800),
    "ms": (50, 100, 200, 250, 400, 500, 800, 1000, 2000),
    "bytes": (5e7, 1e8, 2.5e8, 5e8, 1e9, 2e9),
    "celsius": (60, 65, 70, 75, 80),
    "few": (4, 5, 8, 10, 15, 20),
    "count": (25, 50, 80, 100, 150, 200, 300, 500),
    "many": (1000, 2000, 5000, 10000, 20000, 50000),
    "rate": (0.5, 1, 2, 3, 5, 10),
    "failing": (0.01, 0.02, 0.05, 0.1, 0.15),
}

FAMILIES: tuple[Family, ...] = (
    *(
        Family(name, "high", unit, part)
        for name, unit, part in (
            ("node_load1", "few", ""),
            ("node_load5", "few", ""),
            ("node_hwmon_temp_celsius", "celsius", "sensor"),
            ("node_pressure_cpu_share", "ratio", ""),
            ("node_entropy_wait_seconds", "seconds", ""),
            ("node_timex_offset_ms", "ms", ""),
            ("smartctl_device_temperature", "celsius", "device"),
            ("node_memory_utilisation_ratio", "ratio", ""),
            ("container_memory_failing_pages", "count", "container"),
            ("kube_pod_pending_seconds", "lag", ""),
            ("kube_job_status_active", "few", "job_name"),
            ("kubelet_running_pods", "count", ""),
            ("redis_connected_clients", "many", ""),
            ("redis_blocked_clients", "few", ""),
            ("redis_mem_fragmentation_ratio", "few", ""),
            ("redis_slowlog_length", "count", ""),
            ("redis_replication_lag_bytes", "bytes", "slave"),
            ("mysql_global_status_threads_running", "count", ""),
            ("mysql_global_status_threads_connected", "count", ""),
            ("mysql_slave_lag_seconds", "lag", "channel"),
            ("mysql_heartbeat_lag_seconds", "lag", ""),
            ("mysql_innodb_row_lock_waiting", "few", ""),
            ("pg_stat_activity_count", "count", "state"),
            ("pg_stat_activity_max_tx_duration", "lag", "datname"),
            ("pg_locks_count", "count", "mode"),
            ("pg_replication_lag_seconds", "lag", ""),
            ("pgbouncer_pools_client_waiting_connections", "few", "database"),
            ("pgbouncer_pools_client_maxwait_seconds", "seconds", "database"),
            ("kafka_consumergroup_lag", "many", "topic"),
            ("kafka_consumergroup_lag_seconds", "lag", "consumergroup"),
            ("kafka_topic_partition_under_replicated_partition", "few", "topic"),
            ("kafka_network_requestchannel_requestqueuesize", "count", ""),
            ("rabbitmq_queue_messages_ready", "many", "queue"),
            ("rabbitmq_queue_messages_unacknowledged", "many", "queue"),
            ("rabbitmq_connections", "many", ""),
            ("rabbitmq_queue_head_message_age_seconds", "lag", "queue"),
            ("probe_duration_seconds", "seconds", ""),
            ("probe_dns_lookup_time_seconds", "seconds", ""),
            ("jvm_threads_current", "count", ""),
            ("jvm_threads_blocked", "few", ""),
            ("jvm_gc_pause_ratio", "ratio", "gc"),
            ("jvm_classes_waiting", "count", ""),
            ("go_goroutines", "many", ""),
            ("go_gc_pause_ms", "ms", ""),
            ("go_memstats_heap_inuse_bytes", "bytes", ""),
            ("process_resident_memory_bytes", "bytes", ""),
            ("nginx_connections_waiting", "many", ""),
            ("nginx_upstream_response_ms", "ms", "upstream"),
            ("haproxy_backend_current_queue", "count", "backend"),
            ("haproxy_backend_response_time_average_ms", "ms", "backend"),
            ("haproxy_server_current_sessions", "count", "server"),
            ("elasticsearch_cluster_health_unassigned_shards", "few", ""),
            ("elasticsearch_cluster_health_number_of_pending_tasks", "count", ""),
            ("elasticsearch_jvm_heap_used_percent", "percent", ""),
            ("cassandra_compaction_pendingtasks", "count", ""),
            ("cassandra_thread_pool_blocked_tasks", "few", "pool"),
            ("mongodb_connections_current", "count", ""),
            ("mongodb_replset_member_replication_lag", "lag", "member"),
            ("memcached_connections_waiting", "count", ""),
            ("etcd_backend_commit_ms", "ms", ""),
            ("ceph_osd_apply_latency_ms", "ms", "ceph_daemon"),
            ("ceph_pool_percent_used", "percent", "pool"),
            ("sidekiq_queue_latency_seconds", "lag", "queue"),
            ("sidekiq_queue_size", "count", "queue"),
            ("celery_queue_length", "count", "queue_name"),
            ("gitlab_runner_jobs_waiting", "count", ""),
            ("envoy_cluster_upstream_rq_pending_active", "count", "envoy_cluster_name"),
            ("istio_agent_outgoing_latency_ms", "ms", ""),
            ("zookeeper_outstanding_requests", "few", ""),
            ("consul_raft_commit_time_ms", "ms", ""),
            ("vault_core_in_flight_requests", "count", ""),
            ("minio_heal_objects_pending", "count", ""),
            ("pulsar_subscription_back_log", "many", "subscription"),
            ("solr_searcher_warmup_ms", "ms", "core"),
            ("windows_cpu_utilisation_percent", "percent", "core"),
            ("ipmi_temperature_celsius", "celsius", "sensor"),
            ("prometheus_notifications_queue_length", "many", ""),
            ("thanos_query_concurrent_gate_queries_in_flight", "few", ""),
            ("otelcol_exporter_queue_size", "count", "exporter"),
            ("mail_queue_deferred", "count", ""),
            ("snmp_ifutilisation_percent", "percent", "ifName"),
        )
    ),
    *(
        Family(name, "low", unit, part)
        for name, unit, part in (
            ("node_entropy_available_bits", "count", ""),
            ("redis_keyspace_hit_ratio", "ratio", ""),
            ("mysql_innodb_buffer_pool_hit_ratio", "ratio", ""),
            ("pg_stat_database_hit_ratio", "ratio", "datname"),
            ("kafka_brokers", "few", ""),
            ("rabbitmq_queue_consumers", "few", "queue"),
            ("nginx_connections_idle_workers", "few", ""),
            ("haproxy_backend_active_servers", "few", "backend"),
            ("elasticsearch_cluster_health_number_of_data_nodes", "few", ""),
            ("apcupsd_battery_charge_percent", "percent", ""),
            ("smartctl_device_available_spare", "percent", "device"),
            ("pgbouncer_pools_server_idle_connections", "few", "database"),
            ("jvm_buffer_pool_free_slots", "count", "pool"),
            ("envoy_cluster_membership_healthy", "few", "envoy_cluster_name"),
            ("ipmi_fan_speed_rpm", "many", "fan"),
            ("wifi_station_signal_quality", "percent", "station"),
            ("aerospike_namespace_free_mem_pct", "percent", "ns"),
            ("varnish_cache_hit_ratio", "ratio", ""),
        )
    ),
    *(
        Family(name, "used", "ratio", part, whole)
        for name, part, whole in (
            ("container_memory_working_set_bytes", "container", "container_spec_memory_limit_bytes"),
            ("jvm_memory_used_bytes", "area", "jvm_memory_max_bytes"),
            ("redis_memory_used_bytes", "", "redis_memory_max_bytes"),
            ("kubelet_volume_stats_used_bytes", "persistentvolumeclaim", "kubelet_volume_stats_capacity_bytes"),
            ("process_open_fds", "", "process_max_fds"),
            ("pg_stat_database_numbackends", "datname", "pg_settings_max_connections"),
            ("mysql_global_status_max_used_connections", "", "mysql_global_variables_max_connections"),
            ("node_nf_conntrack_entries", "", "node_nf_conntrack_entries_limit"),
            ("haproxy_frontend_current_sessions", "proxy", "haproxy_frontend_limit_sessions"),
            ("kube_resourcequota_used", "resource", "kube_resourcequota_hard"),
            ("nginx_connections_active", "", "nginx_worker_connections_limit"),
            ("memcached_current_bytes", "", "memcached_limit_bytes"),
            ("elasticsearch_jvm_memory_used_bytes", "area", "elasticsearch_jvm_memory_max_bytes"),
            ("hikaricp_connections_active", "pool", "hikaricp_connections_max"),
            ("tomcat_threads_busy_threads", "", "tomcat_threads_config_max_threads"),
            ("etcd_mvcc_db_total_size_in_bytes", "", "etcd_server_quota_backend_bytes"),
            ("gluster_brick_capacity_used_bytes", "brick", "gluster_brick_capacity_bytes"),
            ("otelcol_exporter_queue_used", "exporter", "otelcol_exporter_queue_capacity"),
        )
    ),
    *(
        Family(name, "free", "ratio", part, whole)
        for name, part, whole in (
            ("node_filesystem_avail_bytes", "mountpoint", "node_filesystem_size_bytes"),
            ("node_filesystem_files_free", "mountpoint", "node_filesystem_files"),
            ("node_memory_MemAvailable_bytes", "", "node_memory_MemTotal_bytes"),
            ("node_memory_SwapFree_bytes", "", "node_memory_SwapTotal_bytes"),
            ("kubelet_volume_stats_available_bytes", "persistentvolumeclaim", "kubelet_volume_stats_capacity_bytes"),
            ("windows_logical_disk_free_bytes", "volume", "windows_logical_disk_size_bytes"),
            ("kube_deployment_status_replicas_available", "deployment", "kube_deployment_spec_replicas"),
            ("kube_daemonset_status_number_ready", "daemonset", "kube_daemonset_status_desired_number_scheduled"),
            ("opensearch_fs_path_free_bytes", "path", "opensearch_fs_path_total_bytes"),
            ("cockroachdb_capacity_available", "store", "cockroachdb_capacity"),
        )
    ),
    *(
        Family(name, "counter", "rate", part)
        for name, part in (
            ("node_network_receive_errs_total", "device"),
            ("node_network_transmit_drop_total", "device"),
            ("node_disk_io_errors_total", "device"),
            ("node_vmstat_oom_kill_total", ""),
            ("node_edac_correctable_errors_total", "controller"),
            ("container_oom_events_total", "container"),
            ("redis_rejected_connections_total", ""),
            ("redis_evicted_keys_total", "db"),
            ("redis_commands_failed_calls_total", "cmd"),
            ("mysql_global_status_slow_queries_total", ""),
            ("mysql_global_status_aborted_connects_total", ""),
            ("pg_stat_database_deadlocks_total", "datname"),
            ("pg_stat_database_conflicts_total", "datname"),
            ("kafka_server_failed_fetches_total", "topic"),
            ("kafka_server_isr_shrinks_total", ""),
            ("rabbitmq_channel_messages_unroutable_dropped_total", "queue"),
            ("rabbitmq_channels_closed_total", ""),
            ("nginx_upstream_timeouts_total", "upstream"),
            ("haproxy_backend_connection_errors_total", "backend"),
            ("haproxy_backend_retry_warnings_total", "backend"),
            ("jvm_gc_overruns_total", "gc"),
            ("logback_events_errors_total", "logger"),
            ("grpc_client_retries_total", "grpc_method"),
            ("dns_lookup_failures_total", "resolver"),
            ("http_client_timeouts_total", "target"),
            ("prometheus_rule_evaluation_failures_total", "rule_group"),
            ("prometheus_notifications_dropped_total", ""),
            ("alertmanager_notifications_failed_total", "integration"),
            ("thanos_objstore_bucket_operation_failures_total", "operation"),
            ("etcd_server_proposals_failed_total", ""),
            ("etcd_network_peer_sent_failures_total", "peer"),
            ("kubelet_evictions_total", "eviction_signal"),
            ("coredns_forward_healthcheck_failures_total", "to"),
            ("cilium_drop_count_total", "reason"),
            ("vault_audit_log_request_failures_total", ""),
            ("sidekiq_jobs_failed_total", "queue"),
            ("celery_tasks_failed_total", "name"),
            ("argocd_git_fetch_fail_total", "repo"),
            ("mongodb_asserts_total", "type"),
            ("cassandra_client_request_failures_total", "operation"),
            ("varnish_backend_fail_total", "backend"),
            ("keycloak_failed_login_attempts_total", "realm"),
            ("otelcol_exporter_send_failed_spans_total", "exporter"),
            ("fluentd_output_status_retry_total", "plugin_id"),
        )
    ),
    *(
        Family(name, "requests", "failing", part)
        for name, part in (
            ("http_requests_total", "code"),
            ("http_server_requests_total", "status"),
            ("nginx_http_requests_total", "status"),
            ("istio_requests_total", "response_code"),
            ("haproxy_backend_http_requests_total", "code"),
            ("traefik_service_requests_total", "code"),
            ("envoy_downstream_requests_total", "response_code"),
            ("apiserver_requests_total", "code"),
            ("coredns_dns_requests_total", "rcode"),
            ("django_http_requests_total", "status"),
            ("http_api_requests_total", "statuscode"),
            ("gateway_requests_total", "http_status"),
            ("loki_http_requests_total", "status_code"),
        )
    ),
    *(
        Family(name, "latency", "seconds", part)
        for name, part in (
            ("http_request_duration_seconds", "handler"),
            ("http_server_request_duration_seconds", "route"),
            ("grpc_server_handling_seconds", "grpc_method"),
            ("apiserver_request_duration_seconds", "verb"),
            ("etcd_disk_wal_fsync_duration_seconds", ""),
            ("etcd_network_peer_round_trip_time_seconds", "peer"),
            ("istio_request_duration_seconds", "destination"),
            ("traefik_service_request_duration_seconds", "exported_service"),
            ("loki_request_duration_seconds", "route"),
            ("sidekiq_jobs_completion_seconds", "queue"),
            ("kubelet_pleg_relist_duration_seconds", ""),
            ("mongodb_op_latency_seconds", "op"),
            ("redis_command_duration_seconds", "cmd"),
            ("pg_query_duration_seconds", "datname"),
            ("envoy_upstream_rq_time_seconds", "envoy_cluster_name"),
            ("storage_operation_duration_seconds", "operation_name"),
        )
    ),
    *(
        Family(name, "alive", "flag", part)
        for name, part in (
            ("up", ""),
            ("probe_success", ""),
            ("pg_up", ""),
            ("mysql_up", ""),
            ("redis_up", ""),
            ("rabbitmq_up", ""),
            ("haproxy_server_up", "server"),
            ("kube_pod_status_ready", ""),
            ("kube_node_status_ready", ""),
            ("node_network_up", "device"),
            ("etcd_server_has_leader", ""),
            ("mongodb_up", ""),
            ("memcached_up", ""),
            ("mysql_slave_status_slave_sql_running", ""),
            ("prometheus_config_last_reload_successful", ""),
            ("alertmanager_config_last_reload_successful", ""),
            ("nginx_up", ""),
            ("kafka_broker_up", ""),
            ("consul_raft_leader_known", ""),
            ("gluster_brick_up", "brick"),
            ("argocd_cluster_connection_status", "server"),
        )
    ),
    *(
        Family(name, "broken", "flag", part)
        for name, part in (
            ("kube_node_spec_unschedulable", ""),
            ("kube_pod_container_status_waiting", "container"),
            ("node_filesystem_readonly", "mountpoint"),
            ("pg_exporter_last_scrape_error", ""),
            ("redis_loading_dump_file", ""),
            ("systemd_unit_failed", "name"),
            ("kube_job_status_failed", "job_name"),
            ("rabbitmq_alarms_memory_used_watermark", ""),
            ("elasticsearch_cluster_health_status_yellow", ""),
            ("ceph_health_status_warn", ""),
            ("jvm_threads_deadlocked", ""),
            ("kafka_controller_offline", ""),
            ("smartctl_device_critical_warning", "device"),
            ("ipmi_sensor_state", "sensor"),
        )
    ),
    *(
        Family(name, "stamp", "lag", part)
        for name, part in (
            ("redis_rdb_last_save_timestamp_seconds", ""),
            ("backup_last_success_timestamp_seconds", "job_name"),
            ("kube_cronjob_status_last_successful_time", "cronjob"),
            ("velero_backup_last_successful_timestamp", "schedule"),
            ("thanos_objstore_bucket_last_successful_upload_time", ""),
            ("cortex_compactor_last_successful_run_timestamp_seconds", ""),
            ("node_textfile_mtime_seconds", "file"),
            ("etl_last_run_timestamp_seconds", "pipeline"),
            ("pg_stat_archiver_last_archive_timestamp", ""),
            ("systemd_timer_last_trigger_seconds", "name"),
            ("push_time_seconds", "exported_job"),
            ("ntp_last_sync_timestamp_seconds", ""),
        )
    ),
    *(
        Family(name, "restarts", "few", part)
        for name, part in (
            ("kube_pod_container_status_restarts_total", "container"),
            ("systemd_service_restart_total", "name"),
            ("supervisor_restarts_total", ""),
            ("etcd_server_leader_changes_seen_total", ""),
            ("prometheus_tsdb_reloads_failures_total", ""),
            ("redis_sentinel_failovers_total", ""),
            ("kafka_controller_elections_total", ""),
            ("haproxy_server_check_up_down_total", "server"),
            ("container_oom_kills_total", "container"),
            ("node_md_resyncs_total", "device"),
            ("coredns_panics_total", ""),
        )
    ),
    *(
        Family(name, "stored", "bytes", part)
        for name, part in (
            ("node_filesystem_avail_bytes", "mountpoint"),
            ("kubelet_volume_stats_available_bytes", "persistentvolumeclaim"),
            ("node_filesystem_files_free", "mountpoint"),
            ("windows_logical_disk_free_bytes", "volume"),
            ("opensearch_fs_path_free_bytes", "path"),
            ("minio_cluster_capacity_usable_free_bytes", ""),
        )
    ),
)

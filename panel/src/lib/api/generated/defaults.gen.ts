// This file is written by scripts/defaults.mjs from openapi.json.

/** The values that fields have unless given, by schema. */
export const defaults = {
  "Behaviour": {
    "policy": {
      "restart": "unless_stopped",
      "detect_crashes": true,
      "clean_exit_is_crash": false,
      "max_crashes": 5
    },
    "network": "alone",
    "mounts": [],
    "labels": {}
  },
  "DaemonDraft": {
    "sftp_offline_hours": 0
  },
  "Limits": {
    "memory_mib": 1024,
    "swap_mib": 0,
    "cpu_percent": 100,
    "disk_mib": 10240,
    "pids": 512,
    "io_weight": 500
  },
  "NewContainer": {
    "allocation_count": 1,
    "stop_timeout_ms": 30000,
    "skip_install": false,
    "start": false
  },
  "NewLimits": {
    "memory_mib": 1024,
    "swap_mib": 0,
    "cpu_percent": 100,
    "disk_mib": 10240,
    "pids": 512,
    "io_weight": 500
  }
};

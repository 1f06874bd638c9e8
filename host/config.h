/*
 * config.h - the daemon's own options: one table, one struct.
 *
 * The rows are the same kind as a plugin's (emco/option.h) and are read by the same code.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include "emco/option.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"

struct config {
	emco_str listen, health_listen, events_listen;
	int32_t  insecure;
	emco_str database;
	int64_t  database_connections, statement_timeout_ms, start_timeout_ms, stop_timeout_ms;
	emco_str seal_key_file, plugin_dir, controllers_dir, data_dir, helm;
	int64_t  threads, body_limit_bytes, file_limit_bytes, upload_limit_bytes, answer_limit_bytes, gzip_min_bytes, metrics_objects, request_timeout_ms;
	int64_t  event_streams, operation_timeout_ms;
	int64_t  render_timeout_ms, renders, operations, revisions, dependency_timeout_ms;
	int32_t  strict_references;
	emco_str log_level;
	/* Made of the above. */
	enum log_level level;
	const char    *health;              /* the address; NULL: none                              */
	const char    *events;              /* the same                                             */
	bool           is_health_optional;  /* nobody asked for this very address                   */
	bool           is_events_optional;
};

/*
 * Read a file (config_read is libconfig's).  Texts live in arena and end in a NUL.  ST_INVALID with file, line and a likely name; a listener that others
 * than this machine can reach is refused unless `insecure = true`.
 */
enum status MUST_CHECK config_load(const char *file, struct arena *arena, struct config *ret_config, struct error *err);

/* Append the table as a commented file. */
enum status MUST_CHECK config_print(struct buf *out, struct error *err);

#endif

/*
 * metrics.h - what the server counts, in Prometheus' text format.
 */
#ifndef HOST_API_METRICS_H
#define HOST_API_METRICS_H

#include "host/api/api.h"

struct metrics *metrics_new(size_t endpoints);              /* NULL: out of memory */
void metrics_free(struct metrics *metrics);

/* One answered request.  endpoint NULL: no route.  Any thread; two atomic additions. */
void metrics_count(struct metrics *metrics, const struct endpoint *endpoint, int code, int64_t took_ns);

/* Append everything there is to know. */
enum status MUST_CHECK metrics_print(struct api *api, struct buf *out, struct error *err);

/* The part of it that is about objects. */
enum status MUST_CHECK metrics_print_objects(const struct api *api, struct buf *out, struct error *err);

#endif

/*
 * render_priv.h - between the files that render: the renderer itself (render.c) and one run of Helm (helm.c).
 */
#ifndef HOST_ORCHESTRATOR_RENDER_PRIV_H
#define HOST_ORCHESTRATOR_RENDER_PRIV_H

#include "host/orchestrator/render.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

enum { HELM_VERSION_SIZE = 128 };

struct renderer {
	char            helm[PATH_MAX];
	char            folder[PATH_MAX];      /* of this process, below data_dir/renders                  */
	int             folder_fd;             /* locked for as long as the process lives                  */
	int64_t         limit_ns;
	unsigned        renders;
	pthread_mutex_t lock;                  /* guards free, version, stamp                              */
	pthread_cond_t  freed;
	unsigned        free;                  /* renders that may begin now                               */
	char            version[HELM_VERSION_SIZE];      /* Helm's own words; empty: not asked yet         */
	struct stat     stamp;                 /* of the program when it was asked                         */
};

/* Helm's version, asked once for each program that is at the path.  ST_UPSTREAM with a hint: there is none. */
enum status MUST_CHECK helm_version(struct renderer *renderer, int64_t deadline_ns, char ret_version[HELM_VERSION_SIZE],
                                    struct error *err);

/* One run of `helm template`, waiting for a free place first.  Fills render->objects. */
enum status MUST_CHECK helm_render(struct renderer *renderer, struct render *render, int64_t deadline_ns,
                                   struct error *err);

#endif

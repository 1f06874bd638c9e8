#include "host/orchestrator/orchestrator.h"

#include "host/orchestrator/extensions.h"
#include "host/orchestrator/render.h"
#include "host/registry/extension.h"

enum { REVISIONS = 10 };

enum status orchestrator_open(struct orchestrator *orchestrator, struct error *err)
{
	const struct orchestrator_options *options = &orchestrator->options;
	const struct renderer_options      renderer = {
		.helm = options->helm, .data_dir = options->data_dir, .renders = options->renders,
		.limit_ns = options->render_limit_ns,
	};

	orchestrator->running = 0;
	if (orchestrator->options.revisions == 0)
		orchestrator->options.revisions = REVISIONS;
	return renderer_open(&renderer, &orchestrator->renderer, err);
}

void orchestrator_close(struct orchestrator *orchestrator)
{
	renderer_close(orchestrator->renderer);
	orchestrator->renderer = NULL;
}

void orchestrator_extensions(void)
{
	extension_offer(EMCO_APP_CONTEXT_1, &extension_app_context);
	extension_offer(EMCO_CLUSTERS_1, &extension_clusters);
	extension_offer(EMCO_RESOURCES_1, &extension_resources);
	extension_offer(EMCO_UNITS_1, &extension_units);
}

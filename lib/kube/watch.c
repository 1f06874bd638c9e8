#include "lib/kube/kube_priv.h"

void watch_end(struct kube_watch *watch)
{
	(void) watch;
}

struct kube_watch *watch_next(struct loop *loop)
{
	(void) loop;
	return NULL;
}

void watch_hurry(struct kube_cluster *cluster)
{
	(void) cluster;
}

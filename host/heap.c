/*
 * heap.c - the process's heap is jemalloc's, for emcod, its plugins and all libraries alike: docs/adr/0011.
 *
 * What a burst of work leaves behind goes back to the system a second later, from a thread that nobody waits for.
 */
#include <jemalloc/jemalloc.h>

const char *malloc_conf = "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0";

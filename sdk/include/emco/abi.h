/*
 * abi.h - the words of the boundary between emcod and its controllers.
 *
 * A controller is a shared object that exports one symbol and needs none of ours: everything it may call arrives in
 * tables.  Every table starts with its size and only ever grows at its end, so that an old controller runs in a new
 * server and a new one in an old server, or is refused with what was expected and found.  Memory made on one side is
 * never freed on the other: what a call returns lives until that call ends, unless its comment says otherwise.
 */
#ifndef EMCO_ABI_H
#define EMCO_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Major: what breaks.  Minor: what was appended.  A server refuses another major, and a minor below a plugin's needs. */
#define EMCO_ABI_MAJOR  1u
#define EMCO_ABI_MINOR  0u
#define EMCO_ABI        (EMCO_ABI_MAJOR << 16 | EMCO_ABI_MINOR)

/* Is slot there, in a table as old as table->size says?  Use it for slots newer than the minor a plugin needs. */
#define EMCO_HAS(table, slot) \
	((table)->size >= offsetof(__typeof__(*(table)), slot) + sizeof((table)->slot) && (table)->slot != NULL)

/* A borrowed run of bytes, UTF-8 unless said otherwise, not NUL-terminated. */
typedef struct emco_str {
	const char *ptr;
	uint64_t    len;
} emco_str;

#ifdef __cplusplus
#define EMCO_STR(literal)  (emco_str { "" literal, sizeof(literal) - 1 })
#else
#define EMCO_STR(literal)  ((emco_str) { "" literal, sizeof(literal) - 1 })
#endif

/* How a call ended.  The numbers are part of the ABI. */
typedef int32_t emco_status;

#define EMCO_OK                 0
#define EMCO_DECLINED           1    /* not for me: the chain goes on                        */
#define EMCO_E_INVALID          2    /* the input breaks a rule                              */
#define EMCO_E_NOT_FOUND        3
#define EMCO_E_EXISTS           4
#define EMCO_E_CONFLICT         5    /* wrong state, still referenced, stale lease           */
#define EMCO_E_TOO_LARGE        6
#define EMCO_E_FORBIDDEN        7
#define EMCO_E_UNAVAILABLE      8    /* try again later                                      */
#define EMCO_E_DEADLINE         9    /* cancelled, or not done in time                       */
#define EMCO_E_UPSTREAM        10    /* a foreign party refused                              */
#define EMCO_E_NO_MEMORY       11
#define EMCO_E_UNIMPLEMENTED   12
#define EMCO_E_INTERNAL        13

/*
 * One call, made by the server, valid until the slot it was handed to returns; or, for a plugin's own threads, made by
 * emco_host.begin and valid until emco_host.end.  [thread] one at a time.
 */
typedef struct emco_call emco_call;
struct emco_call {
	uint32_t size;
	uint32_t abi;

	/* 1 once the caller has gone, the deadline has passed or the server stops: return EMCO_E_DEADLINE soon. */
	int32_t (*cancelled)(const emco_call *call);

	/* Nanoseconds left; 0 when past. */
	int64_t (*left_ns)(const emco_call *call);

	/* Say why.  field: JSON pointer or option name, may be empty.  Texts are copied and cut.  Returns status. */
	emco_status (*fail)(emco_call *call, emco_status status, emco_str field, emco_str text, emco_str hint);

	/* Zeroed memory that lives as long as the call.  NULL past the call's bound. */
	void *(*alloc)(emco_call *call, uint64_t count, uint64_t size);

	/* The last fault said on this call: for a plugin that reports it elsewhere.  Borrowed until the next one. */
	emco_str (*fault)(const emco_call *call);
};

/* What the server offers to one instance of a plugin; valid from create to the return of destroy.  [thread] any. */
typedef struct emco_host emco_host;
struct emco_host {
	uint32_t size;
	uint32_t abi;
	emco_str server_version;     /* "0.1.0"                                        */
	emco_str instance;           /* the name this instance was configured under    */
	emco_str data_dir;           /* a private folder for what can be made again    */

	/* A published capability by its identifier, such as EMCO_APP_CONTEXT_1; NULL when this server has none. */
	const void *(*extension)(const emco_host *host, const char *id);

	/* One event, `event.name`, with a text.  Never hand it a secret. */
	void (*log)(const emco_host *host, int32_t level, emco_str event, emco_str text);

	/* A call of the plugin's own, for work that no request asked for.  NULL when the server stops. */
	emco_call *(*begin)(const emco_host *host, emco_str what, int64_t limit_ns);
	void (*end)(const emco_host *host, emco_call *call);
};

#define EMCO_LOG_ERROR    0
#define EMCO_LOG_WARNING  1
#define EMCO_LOG_INFO     2
#define EMCO_LOG_DEBUG    3

#ifdef __cplusplus
}
#endif
#endif

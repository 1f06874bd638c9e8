/*
 * schema.h - JSON Schema, the part of it that EMCO's resources need, compiled once.
 *
 * One document describes a resource type: it validates requests, orders and completes what is stored, and is what
 * /v2/openapi.json shows.  Supported keywords: type (one or a list), properties, required, additionalProperties (boolean
 * or schema), propertyNames, items, minItems, maxItems, minLength, maxLength (in code points), minimum, maximum, pattern (PCRE2, with
 * match limits), format (dns-label, ipv4, ipv4-cidr, mac), enum, const, anyOf, oneOf, allOf, not, default, $ref to
 * "#/$defs/...", $defs, title, description, examples, readOnly, writeOnly, and ours: x-emco-omit-empty,
 * x-emco-ignore-case (enum and pattern), x-emco-secret.  Any other keyword refuses to compile, by name.
 *
 * A compiled schema is immutable: any thread.
 */
#ifndef LIB_BASE_SCHEMA_H
#define LIB_BASE_SCHEMA_H

#include "lib/base/json.h"

struct schema;

/* Owned by the caller.  ST_INVALID names the keyword and its JSON pointer: a fault of ours or of a plugin's author. */
enum status MUST_CHECK schema_new(struct view document, struct schema **ret_schema, struct error *err);
void schema_free(struct schema *schema);
const json_t *schema_document(const struct schema *schema);      /* borrowed */

/*
 * additionalProperties says what happens to a member without a property: true keeps it (after the known ones, in byte
 * order of names), a schema keeps and checks it, false drops and names it.  Without the keyword an object that lists
 * properties drops, one that lists none is free-form and kept as it came, null members included.  Below anyOf, oneOf,
 * allOf and not nothing is shaped, only checked, so "properties" stands beside them; there false is a fault.
 */

/* One fault.  field: JSON pointer; text: expected and found. */
struct fault { const char *field, *text; };

enum { FAULTS_MAX = 32, UNKNOWN_MAX = 16 };

struct verdict {
	struct fault fault[FAULTS_MAX];
	size_t       faults;                       /* may exceed FAULTS_MAX: then only so many are kept     */
	const char  *unknown[UNKNOWN_MAX];         /* JSON pointers of members that the schema has no name for */
	size_t       unknowns;
};

/*
 * Bring input into the schema's shape, then check it.  Shape: members match their names without case (exact first) and
 * come out in the schema's order; null means absent, but "" in a map of strings; absent members get their default; unknown
 * members are dropped and named; empty members marked x-emco-omit-empty are left out (empty: "", 0, false, null, [], {}, if
 * it is of the member's type).  Of two members that match one property the exact name wins, else the later; the other counts
 * as unknown.  An absent object is made when it has a default, or is required and has properties with defaults.  Every fault
 * is collected; texts live in arena.
 * ST_OK: *ret_value is owned by the caller; parts of it may be shared with input.  ST_INVALID: verdict (which may be
 * NULL) has at least one fault, err the first, and a hint of how many more.  ST_TOO_LARGE: more rules than a value is
 * worth, which takes branches within branches.  Strings are taken as they are: json_read has checked UTF-8.
 */
enum status MUST_CHECK schema_check(const struct schema *schema, const json_t *input, struct arena *arena,
                                    struct verdict *verdict, json_t **ret_value, struct error *err);

#endif

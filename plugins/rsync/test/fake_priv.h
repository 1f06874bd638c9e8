/*
 * fake_priv.h - what the parts of the server for tests share: the calls of fake.c, and the extension that fake_units.c makes.
 */
#ifndef RSYNC_TEST_FAKE_PRIV_H
#define RSYNC_TEST_FAKE_PRIV_H

#include "plugins/rsync/test/fake.h"

/* The server a call is of. */
struct fake *fake_of(const emco_call *call);

/* A copy of text that ends with the call. */
emco_str fake_keep(emco_call *call, const char *text);

/* "emco.units/1". */
extern const emco_units_1 fake_units;

#endif

/*
 * fuzz.h - what every fuzz target promises.
 *
 * A target is one function that takes any bytes.  Built with EMCO_FUZZ it is driven by libFuzzer; otherwise replay.c runs
 * it over the kept corpus and mutants of it, so that a crash once found stays a test.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() that no build option turns off. */
#define must(claim) ((claim) ? (void) 0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #claim), abort()))

#endif

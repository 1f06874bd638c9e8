/*
 * safe.h - functions this project does not use, made compile errors.
 *
 * Included by error.h, and so by every file: a rule that the compiler keeps needs no reviewer.
 */
#ifndef LIB_BASE_SAFE_H
#define LIB_BASE_SAFE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A macro in fortified builds with clang; a macro cannot be poisoned. */
#undef sprintf

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol strncpy strncat localtime gmtime ctime

#endif

/*
 * hex.h - one hexadecimal digit.
 */
#ifndef LIB_BASE_HEX_H
#define LIB_BASE_HEX_H

/* Its value; -1: none. */
static inline int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

#endif

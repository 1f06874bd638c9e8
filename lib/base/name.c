#include "lib/base/name.h"

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool name_is_valid(struct view name)
{
	if (name.len == 0 || name.len > NAME_LEN_MAX)
		return false;
	if (!is_alnum(name.ptr[0]) || !is_alnum(name.ptr[name.len - 1]))
		return false;
	for (size_t i = 1; i + 1 < name.len; i++) {
		const char c = name.ptr[i];
		if (!is_alnum(c) && c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

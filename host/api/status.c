/* Status to HTTP: the one table of answers. */
#include "host/api/status.h"

#include <assert.h>

static const struct code { int number; const char *reason; } codes[HTTP_CODE_COUNT] = {
	{ 200, "OK"                     },
	{ 201, "Created"                },
	{ 202, "Accepted"               },
	{ 204, "No Content"             },
	{ 304, "Not Modified"           },
	{ 307, "Temporary Redirect"     },
	{ 400, "Bad Request"            },
	{ 401, "Unauthorized"           },
	{ 403, "Forbidden"              },
	{ 404, "Not Found"              },
	{ 405, "Method Not Allowed"     },
	{ 406, "Not Acceptable"         },
	{ 408, "Request Timeout"        },
	{ 409, "Conflict"               },
	{ 411, "Length Required"        },
	{ 412, "Precondition Failed"    },
	{ 413, "Content Too Large"      },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content"  },
	{ 500, "Internal Server Error"  },
	{ 502, "Bad Gateway"            },
	{ 503, "Service Unavailable"    },
	{ 504, "Gateway Timeout"        },
	{ 505, "HTTP Version Not Supported" },
	{ 0,   "Unknown"                },
};

static const int of_status[ST_STATUS_COUNT] = {
	[ST_OK]                = 200,
	[ST_INVALID]           = 400,
	[ST_MALFORMED]         = 422,
	[ST_NOT_FOUND]         = 404,
	[ST_EXISTS]            = 409,
	[ST_CONFLICT]          = 409,
	[ST_PRECONDITION]      = 412,
	[ST_TOO_LARGE]         = 413,
	[ST_UNSUPPORTED_MEDIA] = 415,
	[ST_NOT_ACCEPTABLE]    = 406,
	[ST_UNAUTHENTICATED]   = 401,
	[ST_FORBIDDEN]         = 403,
	[ST_UNAVAILABLE]       = 503,
	[ST_DEADLINE]          = 504,
	[ST_UPSTREAM]          = 502,
	[ST_NO_MEMORY]         = 503,
	[ST_INTERNAL]          = 500,
};

int status_http(enum status st)
{
	assert((unsigned) st < ST_STATUS_COUNT);
	return of_status[st];
}

size_t http_index(int code)
{
	size_t i = 0;

	while (i < HTTP_CODE_COUNT - 1 && codes[i].number != code)
		i++;
	return i;
}

int http_code_at(size_t index)
{
	assert(index < HTTP_CODE_COUNT);
	return codes[index].number;
}

const char *http_reason(int code)
{
	return codes[http_index(code)].reason;
}

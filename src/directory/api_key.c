/* api_key.c - keys of the HTTP API. */
#include "api_key.h"

static const char *const words[] = {
#define X(name, word, meaning) word,
    API_SCOPES(X)
#undef X
};

const char *api_scope_word(unsigned scope)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (scope & 1u << i) return words[i];
    return "";
}

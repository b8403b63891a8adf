/* tokens.c - answers that an authority may fetch, from any loop. */
#include <stdlib.h>

#include "acme_i.h"

static void drop(struct token *t)
{
    free((void *)(uintptr_t)t->name.p);
    free((void *)(uintptr_t)t->answer.p);
    *t = (struct token){0};
}

void acme_tokens_free(struct acme *x)
{
    for (size_t i = 0; i < ACME_TOKENS_MAX; i++) drop(&x->token[i]);
}

static struct slice keep(struct slice s)
{
    char *p = xmalloc(s.n + 1);
    memcpy(p, s.p, s.n);
    return sl(p, s.n);
}

static struct token *find(struct acme *x, struct slice name)
{
    for (size_t i = 0; i < ACME_TOKENS_MAX; i++)
        if (x->token[i].name.n == name.n && sl_eq(x->token[i].name, name)) return &x->token[i];
    return NULL;
}

int acme_token_add(struct acme *x, struct slice token, struct slice answer)
{
    lock_take(&x->lock);
    struct token *t = find(x, SL(""));
    if (t) *t = (struct token){keep(token), keep(answer)};
    lock_release(&x->lock);
    return t ? 0 : err_set(ERR_LIMIT, "too many proofs at the same time");
}

void acme_token_drop(struct acme *x, struct slice token)
{
    lock_take(&x->lock);
    struct token *t = find(x, token);
    if (t) drop(t);
    lock_release(&x->lock);
}

int acme_answer(struct acme *x, struct arena *a, struct slice token, struct slice *out)
{
    lock_take(&x->lock);
    struct token *t = token.n ? find(x, token) : NULL;
    if (t) *out = ar_dup(a, t->answer);
    lock_release(&x->lock);
    return t ? 0 : err_set(ERR_NOT_FOUND, "no authority asks for that");
}

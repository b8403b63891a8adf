/* domain.h - one domain name below another. Pure. */
#pragma once
#include "base/slice.h"

/* "a.example.com" is below "example.com"; "bad-example.com" is not. ASCII case ignored, no final dots. */
static inline bool domain_below(struct slice name, struct slice domain)
{
    return domain.n && name.n > domain.n && sl_endsi(name, domain) && name.p[name.n - domain.n - 1] == '.';
}
static inline bool domain_within(struct slice name, struct slice domain)
{
    return sl_eqi(name, domain) || domain_below(name, domain);
}

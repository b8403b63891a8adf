/* entity.c - character references of HTML. */
#include "entity.h"

#include "base/text.h"

uint32_t html_entity(struct slice name)
{
    static const struct {
        struct slice name;
        uint32_t cp;
    } named[] = {{SL_INIT("amp"), '&'},      {SL_INIT("lt"), '<'},       {SL_INIT("gt"), '>'},
                 {SL_INIT("quot"), '"'},     {SL_INIT("apos"), '\''},    {SL_INIT("nbsp"), ' '},
                 {SL_INIT("zwnj"), ' '},     {SL_INIT("shy"), ' '},      {SL_INIT("ndash"), 0x2013},
                 {SL_INIT("mdash"), 0x2014}, {SL_INIT("euro"), 0x20ac},  {SL_INIT("hellip"), 0x2026},
                 {SL_INIT("rsquo"), 0x2019}, {SL_INIT("lsquo"), 0x2018}, {SL_INIT("copy"), 0xa9}};
    uint64_t v = 0;
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (sl_eq(named[i].name, name)) return named[i].cp;
    if (!sl_starts(name, SL("#"))) return 0;
    if (sl_startsi(name, SL("#x")) ? !num_hex64(sl_from(name, 2), &v)
                                   : !num_u64(sl_from(name, 1), 0x10ffff, &v))
        return 0;
    return v > 0x10ffff ? 0xfffd : (uint32_t)v;
}

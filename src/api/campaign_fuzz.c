/* campaign_fuzz.c - the lines of a campaign, the first one its head: each is taken with what it says, or
 * refused in words. */
#include "base/fuzz.h"
#include "base/text.h"
#include "campaign_read.h"

/* Nothing is told that does not stand in the line; what the parts need lies within bounds that the line sets.
 */
static size_t sizes(const struct send_addrs *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) n += list->v[i].address.n + list->v[i].name.n;
    return n;
}

static size_t field_sizes(const struct send_fields *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) n += f->v[i].name.n + f->v[i].value.n;
    return n;
}

static void is_object(struct slice text)
{
    if (!text.n) return;
    json_t *o = json_loadb(text.p, text.n, 0, NULL);
    ASSERT(json_is_object(o));
    json_decref(o);
}

static void head(struct arena *a, const json_t *o, size_t line)
{
    struct send s = {0};
    bool skip;
    char why[ERR_TEXT_MAX] = "x";
    int e = campaign_read_head(a, o, &s, &skip, why);
    ASSERT(!e == !*why && strlen(why) < ERR_TEXT_MAX);
    if (e) return;
    ASSERT(s.stream == STREAM_BULK || s.stream == STREAM_TRANSACTIONAL);
    ASSERT(s.language < SEND_LANGUAGES && s.nparts <= 2 && s.send_at >= 0);
    ASSERT(json_integer_value(json_object_get(o, "group")) == (json_int_t)s.group);
    size_t all = s.from.address.n + s.from.name.n + sizes(&s.reply_to) + s.subject.n + s.campaign.n +
                 field_sizes(&s.fields);
    for (size_t i = 0; i < s.nparts; i++) all += s.part[i].text.n;
    for (size_t i = 0; i < s.ncategories; i++) all += s.category[i].n;
    ASSERT(all <= line);
    is_object(s.data);
    is_object(s.args);
}

static void letter(struct arena *a, const json_t *o, size_t line)
{
    struct send_letter l;
    char why[ERR_TEXT_MAX] = "x";
    int e = campaign_read_letter(a, o, &l, why);
    ASSERT(!e == !*why);
    if (e) return;
    ASSERT(sizes(&l.to) + sizes(&l.cc) + sizes(&l.bcc) + l.subject.n + l.custom.n + field_sizes(&l.fields) <=
           line);
    ASSERT(l.send_at >= 0);
    is_object(l.data);
    is_object(l.args);
}

FUZZ
{
    struct arena a = {0};
    struct slice line;
    for (size_t n = 0; sl_next(&input, '\n', &line);) {
        json_t *o = json_loadb(line.p ? line.p : "", line.n, JSON_REJECT_DUPLICATES, NULL);
        ar_reset(&a);
        if (json_is_object(o)) (n++ ? letter : head)(&a, o, line.n);
        ASSERT(a.used <= 64 * line.n + 4096);
        json_decref(o);
    }
    ar_free(&a);
}

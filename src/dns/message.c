/* message.c - messages of the DNS taken apart (RFC 1035 section 4.1). */
#include "base/text.h"
#include "update_i.h"

enum { HEAD = 12, JUMPS_MAX = 32 };

static unsigned u16_at(struct slice b, size_t at)
{
    return (unsigned)(uint8_t)b.p[at] << 8 | (uint8_t)b.p[at + 1];
}

static int wrong(void) { return err_set(ERR_SYNTAX, "the DNS server's answer makes no sense"); }

/* A name that may be compressed (section 4.1.4); *at moves behind it. */
static bool read_name(struct slice b, size_t *at, struct wire_name *out)
{
    size_t i = *at, end = 0;
    out->n = 0;
    for (int jumps = 0; jumps < JUMPS_MAX;) {
        if (i >= b.n) return false;
        uint8_t label = (uint8_t)b.p[i];
        if (label >= 0xc0) {
            if (i + 2 > b.n) return false;
            if (!end) end = i + 2;
            size_t to = u16_at(b, i) & 0x3fff;
            if (to < HEAD || to >= i) return false; /* a prior occurrence of a name: none is in the head */
            i = to;
            jumps++;
            continue;
        }
        if (label > 63 || label + 1u > b.n - i || out->n + label + 1u > NAME_WIRE_MAX) return false;
        for (size_t k = 0; k <= label; k++) out->b[out->n++] = k ? (uint8_t)sl_lower(b.p[i + k]) : label;
        i += label + 1u;
        if (label) continue;
        *at = end ? end : i;
        return true;
    }
    return false;
}

int message_open(struct message *m, struct slice bytes)
{
    struct wire_name name;
    *m = (struct message){.bytes = bytes, .at = HEAD, .section = 1};
    if (bytes.n < HEAD || !(bytes.p[2] & 0x80)) return wrong();
    m->authoritative = bytes.p[2] & 4;
    m->rcode = (uint8_t)bytes.p[3] & 15;
    for (size_t i = 0; i < 4; i++) m->counts[i] = u16_at(bytes, 4 + 2 * i);
    for (unsigned i = 0; i < m->counts[0]; i++) {
        if (!read_name(bytes, &m->at, &name) || bytes.n - m->at < 4) return wrong();
        m->at += 4;
    }
    return 0;
}

int message_next(struct message *m, struct message_rr *rr)
{
    struct slice b = m->bytes;
    while (m->section < 4 && !m->counts[m->section]) m->section++;
    m->ended = m->section == 4;
    if (m->ended) return 0;
    m->counts[m->section]--;
    *rr = (struct message_rr){.start = m->at, .in_answer = m->section == 1};
    if (!read_name(b, &m->at, &rr->owner) || b.n - m->at < 10) return wrong();
    rr->type = u16_at(b, m->at);
    rr->class = u16_at(b, m->at + 2);
    rr->ttl = (uint32_t)u16_at(b, m->at + 4) << 16 | u16_at(b, m->at + 6);
    if (rr->ttl > INT32_MAX) rr->ttl = 0;
    rr->data_n = u16_at(b, m->at + 8);
    rr->data_at = m->at + 10;
    if (rr->data_n > b.n - rr->data_at) return wrong();
    m->at = rr->data_at + rr->data_n;
    return 0;
}

/* Of the parts of a type's data only names are ever compressed (RFC 3597 section 4). */
int message_data(const struct message *m, const struct message_rr *rr, struct arena *a, struct slice *out)
{
    const char *form = rdata_form(rr->type);
    size_t at = rr->data_at, end = at + rr->data_n;
    struct buf b = BUF_INIT;
    struct wire_name name;
    bool ok = true;
    for (; ok && form && *form; form++) {
        size_t n = *form == 's' ? 2 : *form == 'b' ? 1 : *form == 'l' || *form == 'T' ? 4 : 0;
        if (*form == 'n') {
            ok = read_name(sl_sub(m->bytes, 0, end), &at, &name);
            if (ok) buf_bytes(&b, name.b, name.n);
            continue;
        }
        if (!n) break; /* the rest is bytes */
        ok = n <= end - at;
        if (ok) buf_put(&b, sl_sub(m->bytes, at, at + n));
        at += n;
    }
    if (ok && at < end) buf_put(&b, sl_sub(m->bytes, at, end));
    if (ok) *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return ok ? 0 : wrong();
}

static bool is_same(const struct wire_name *x, const struct wire_name *y, size_t from)
{
    return x->n == y->n - from && !memcmp(x->b, y->b + from, x->n);
}

static bool is_within(const struct wire_name *name, const struct wire_name *zone)
{
    size_t from = 0;
    while (from < name->n && !is_same(zone, name, from)) from += name->b[from] + 1u;
    return from < name->n;
}

int message_zone(struct slice answer, struct slice name, struct arena *a, struct slice *zone, bool *alias)
{
    struct message m;
    struct message_rr rr;
    struct wire_name asked;
    char text[NAME_TEXT_MAX];
    bool found = false;
    *alias = false;
    if (!name_to_wire(name, &asked)) return err_set(ERR_USAGE, "%.*s is no name", SLF(name));
    int e = message_open(&m, answer);
    bool ours = !e && m.authoritative && (m.rcode == NOERROR || m.rcode == NXDOMAIN);
    while (ours && (e = message_next(&m, &rr)) == 0 && !m.ended) {
        *alias |= rr.in_answer && rr.type == DNS_CNAME && is_same(&rr.owner, &asked, 0);
        if (found || rr.type != DNS_SOA || !is_within(&asked, &rr.owner)) continue;
        found = name_from_wire(sl((char *)rr.owner.b, rr.owner.n), text, zone);
        *zone = ar_dup(a, *zone);
    }
    if (e || *alias) return e;
    return found ? 0 : err_set(ERR_NOT_FOUND, "no zone of the DNS server has %.*s", SLF(name));
}

int message_refused(const struct message *m)
{
    static const char *const words[] = {"no error",
                                        "it does not understand us",
                                        "it has trouble of its own",
                                        "there is no such name",
                                        "it does not do that",
                                        "it refuses: its policy does not let this key do it",
                                        "a name exists that should not",
                                        "a record exists that should not",
                                        "a record does not exist that should",
                                        "the zone is not its own, or it does not know the key",
                                        "a name lies outside of the zone"};
    const char *why = m->rcode < COUNT_OF(words) ? words[m->rcode] : "of a reason unknown here";
    return err_set(m->rcode == SERVFAIL ? ERR_BUSY : ERR_DENIED, "the DNS server says no: %s (code %u)", why,
                   m->rcode);
}

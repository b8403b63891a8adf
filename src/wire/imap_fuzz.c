/* imap_fuzz.c - any bytes as the arguments of any command. */
#include "base/fuzz.h"
#include "base/text.h"
#include "imap.h"
#include "utf7.h"

static void check_set(struct imap_set s)
{
    imap_set_fix(&s, 1000);
    for (size_t i = 0; i < s.n; i++)
        ASSERT(s.v[i].lo && s.v[i].lo <= s.v[i].hi && (!i || s.v[i].lo > s.v[i - 1].hi + 1));
}

static size_t count_keys(const struct imap_search *k, size_t depth)
{
    size_t n = 0;
    ASSERT(depth <= IMAP_DEPTH_MAX * 2 + 4);
    for (; k; k = k->next) n += 1 + count_keys(k->child, depth + 1);
    return n;
}

FUZZ
{
    struct arena a;
    struct imap_in in;
    struct imap_literal l;
    if (!input.n) return;
    ar_init(&a, 0);
    unsigned char which = (unsigned char)input.p[0];
    imap_in_init(&in, &a, sl_from(input, 1), which & 64);
    in.annotate = which & 32;
    imap_line_literal(in.s, &l);
    switch (which < 128 ? which % 8 : 8 + which % 7) {
    case 0: {
        struct imap_search_args s = imap_search_args(&in);
        ASSERT(count_keys(s.key, 0) <= IMAP_KEYS_MAX * 3);
        break;
    }
    case 1: {
        struct imap_fetch f = imap_fetch_args(&in);
        ASSERT(f.n <= IMAP_ITEMS_MAX);
        break;
    }
    case 2: check_set(imap_set(&in)); break;
    case 3: (void)imap_store_args(&in); break;
    case 4: {
        struct imap_list s = imap_list_args(&in, false);
        for (size_t i = 0; i < s.n; i++) imap_list_match(s.pattern[i], SL("INBOX/Drafts/x"));
        break;
    }
    case 5: (void)imap_append_options(&in); break;
    case 6: {
        struct slice out;
        struct buf b = BUF_INIT;
        if (utf7_decode(&a, in.s, &out) == 0 && utf8_valid(out)) { /* one name, one spelling */
            utf7_encode(&b, out);
            bool same = true;
            for (size_t i = 0; i < in.s.n; i++) same &= in.s.p[i] >= 32 && in.s.p[i] < 127;
            ASSERT(!same || sl_eq(buf_slice(&b), in.s));
        }
        buf_free(&b);
        break;
    }
    case 8: {
        struct imap_sort_args s = imap_sort_args(&in);
        ASSERT(s.n <= IMAP_SORT_MAX && count_keys(s.search.key, 0) <= IMAP_KEYS_MAX * 3);
        break;
    }
    case 10: {
        struct imap_metadata m = imap_getmetadata_args(&in);
        ASSERT(m.entries.n <= IMAP_ENTRIES_MAX);
        break;
    }
    case 12: {
        struct imap_esearch_args e = imap_esearch_args(&in);
        ASSERT(e.n <= IMAP_SOURCES_MAX);
        break;
    }
    case 13: {
        struct imap_notify n = imap_notify_args(&in);
        ASSERT(n.n <= IMAP_SOURCES_MAX);
        break;
    }
    case 14: {
        struct imap_url u;
        int e = imap_url_parse(&a, in.s, &u);
        ASSERT(e == ERR_SYNTAX || (e == 0 && u.uid && u.rump.n <= in.s.n));
        in.at = in.s.n;
        break;
    }
    case 11: {
        struct imap_metadata m = imap_setmetadata_args(&in);
        ASSERT(m.entries.n <= IMAP_ENTRIES_MAX);
        break;
    }
    case 9: {
        size_t from, to;
        (void)imap_thread_args(&in);
        struct imap_in again = {.s = in.s, .a = &a};
        struct imap_partial p = imap_partial(&again);
        if (again.code) break;
        imap_partial_of(&p, input.n, &from, &to);
        ASSERT(from <= to && to <= input.n);
        break;
    }
    default:
        (void)imap_tag(&in);
        imap_sp(&in);
        (void)imap_mailbox(&in);
        imap_sp(&in);
        (void)imap_status_items(&in);
    }
    int r = imap_done(&in);
    ASSERT(r <= 0 && in.at <= in.s.n);
    ar_free(&a);
}

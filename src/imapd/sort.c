/* sort.c - SORT and UID SORT (RFC 5256, RETURN of RFC 5267 section 3). */
#include "imapd_i.h"

void imapd_cmd_sort(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_found found;
    imap_sp(in);
    size_t begin = in->at;
    struct imap_sort_args args = imap_sort_args(in);
    if (imapd_args_bad(s, in) || !imapd_search(s, &args.search, &found)) return;
    if (imapd_found_cut(s, &found)) return;
    int e = imapd_sort_found(s, &args, &found);
    if (e) {
        imapd_failed(s, e);
        return;
    }
    if (args.search.extended) imapd_tell_esearch(s, &args.search, &found);
    else imapd_tell_found(s, "SORT", &args.search, &found);
    imapd_context_begin(s, &args.search, sl_from(in->s, begin), &args, &found);
    imapd_searched(s, &found, "sorted");
}

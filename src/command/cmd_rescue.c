/* cmd_rescue.c - images of the index, and what came back from them. */
#include "base/log.h"
#include "cmd.h"
#include "core/core.h"
#include "core/rebuild.h"
#include "send/send.h"
#include "store/rescue.h"

int run_images(struct request *r)
{
    struct images_report rep;
    int e = images_write(r->core->store, IMAGES_OF_ALL, false, &rep);
    if (e) return e;
    reply_int(r->reply, "objects", (int64_t)rep.objects);
    reply_int(r->reply, "written", (int64_t)rep.written);
    reply_int(r->reply, "bodies", (int64_t)rep.bodies);
    reply_int(r->reply, "bytes", (int64_t)rep.bytes);
    reply_int(r->reply, "failed", (int64_t)rep.failed);
    return rep.failed ? NO : 0;
}

void print_images(json_t *args, json_t *reply, struct buf *out) { print_numbers(args, reply, out); }

/* ---- an index made again ---- */

static const char *const may_differ[] = {
    "Flags, moves, copies, renamed and deleted mailboxes since an account's image are as they were before.",
    "Messages expunged since then are there again, if no sweep had removed them.",
    ("A letter that is held may have been sent on already: `tram queue release ID` sends it, `tram queue "
     "drop ID` does not."),
    "Of letters on their way attempts, delays and holds are forgotten.",
    ("A campaign that is held stands as its image has it, also one that had not begun: orders since then (a "
     "pause, a cancel) are not known. `tram campaign resume ID` goes on there, and who got a letter since "
     "gets "
     "a second one; `tram campaign cancel ID` ends it. Sends taken after the last images and "
     "sends that were over are lost."),
    "Domains, accounts, aliases, passwords and keys are as in the image of their domain.",
};

static json_t *account_json(struct arena *a, const struct rescue_account *acc)
{
    json_t *o = json_object();
    reply_text(o, "address", acc->address);
    if (acc->image) reply_text(o, "image", say_past(a, acc->image, rt_wall_seconds()));
    reply_int(o, "messages", (int64_t)acc->messages);
    reply_int(o, "appended", (int64_t)acc->appended);
    reply_int(o, "letters", (int64_t)acc->letters);
    reply_int(o, "gone", (int64_t)acc->gone);
    return o;
}

static json_t *letter_json(const struct core_letter *l)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(l->id.s));
    reply_text(o, "sender", l->sender);
    reply_int(o, "delivered", (int64_t)l->delivered);
    reply_int(o, "held", (int64_t)l->nheld);
    reply_text(o, "held_for", l->held);
    return o;
}

static json_t *send_json(struct arena *a, const struct send_back *s)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(s->id.s));
    if (s->account.n) reply_text(o, "account", s->account);
    if (s->campaign.n) reply_text(o, "campaign", s->campaign);
    reply_text(o, "image", say_past(a, s->when, rt_wall_seconds()));
    reply_int(o, "letters", (int64_t)s->letters);
    reply_int(o, "given", (int64_t)s->given);
    reply_int(o, "lost", (int64_t)s->lost);
    json_object_set_new(o, "held", json_boolean(s->held));
    json_object_set_new(o, "begun", json_boolean(s->begun));
    json_object_set_new(o, "over", json_boolean(s->over));
    json_object_set_new(o, "unknown", json_boolean(s->unknown));
    json_object_set_new(o, "gone", json_boolean(s->gone));
    return o;
}

struct losses {
    struct arena *a;
    json_t *list;
};

static void one_loss(void *arg, const struct rescue_loss *l)
{
    struct losses *x = arg;
    json_t *o = json_object();
    json_object_set_new(o, "objects", json_string(l->objects));
    json_object_set_new(o, "what", json_string(l->what));
    if (l->since) reply_text(o, "since", say_past(x->a, l->since, rt_wall_seconds()));
    json_array_append_new(x->list, o);
}

static json_t *rebuilt_json(struct arena *a, const struct core_rebuilt *b)
{
    const struct rescue_report *rep = &b->rescue;
    json_t *o = json_object(), *accounts = json_array(), *letters = json_array(), *differ = json_array(),
           *sends = json_array();
    struct losses losses = {a, json_array()};
    rescue_losses(rep, one_loss, &losses);
    if (b->aside.n) reply_text(o, "lost_index", b->aside);
    reply_text(o, "directory", say_past(a, rep->directory, rt_wall_seconds()));
    reply_int(o, "domains", (int64_t)rep->domains);
    reply_int(o, "bodies", (int64_t)rep->bodies);
    reply_int(o, "damaged_bodies", (int64_t)rep->damaged);
    reply_int(o, "unreadable_packs", (int64_t)rep->packs_lost);
    reply_int(o, "without_origin", (int64_t)rep->nameless);
    reply_int(o, "of_no_account", (int64_t)rep->strangers);
    reply_int(o, "damaged_rows", (int64_t)rep->rows_lost);
    for (size_t i = 0; i < rep->n; i++) json_array_append_new(accounts, account_json(a, &rep->account[i]));
    for (size_t i = 0; i < b->n; i++) json_array_append_new(letters, letter_json(&b->letter[i]));
    for (size_t i = 0; i < b->nsends; i++) json_array_append_new(sends, send_json(a, &b->send[i]));
    for (size_t i = 0; i < sizeof may_differ / sizeof may_differ[0]; i++)
        json_array_append_new(differ, json_string(may_differ[i]));
    json_object_set_new(o, "accounts", accounts);
    json_object_set_new(o, "letters", letters);
    json_object_set_new(o, "sends", sends);
    json_object_set_new(o, "lost", losses.list);
    json_object_set_new(o, "may_differ", differ);
    return o;
}

int rescue_before(const struct config *conf, struct request *r)
{
    struct core_rebuilt b;
    int e = core_rebuild(conf, r->a, &b);
    if (!e && b.done) json_object_set_new(r->reply, "rebuilt", rebuilt_json(r->a, &b));
    return e;
}

static void one_mended(void *arg, const char *sentence) { json_array_append_new(arg, json_string(sentence)); }

int rescue_rows(struct request *r)
{
    struct images_report images;
    json_t *mended = json_array();
    json_object_set_new(r->reply, "mended", mended);
    int e = rescue_mend(r->core->store, one_mended, mended);
    if (!e) e = images_write(r->core->store, IMAGES_OF_ALL, false, &images);
    return e == ERR_BUSY ? 0 : e;
}

static long long number(json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

static void print_account(json_t *o, struct buf *out)
{
    bool image = json_object_get(o, "image");
    buf_printf(out, "  %s: %lld messages %s%s, %lld appended and %lld letters since", arg_text(o, "address"),
               number(o, "messages"), image ? "from the image of " : "and no image", arg_text(o, "image"),
               number(o, "appended"), number(o, "letters"));
    if (number(o, "gone"))
        buf_printf(out, "; %lld more were in the image, but their bodies are gone: expunged since",
                   number(o, "gone"));
    buf_char(out, '\n');
}

static bool is_so(json_t *o, const char *name) { return json_is_true(json_object_get(o, name)); }

static void print_back(json_t *o, struct buf *out)
{
    if (is_so(o, "gone")) {
        buf_printf(out, "  campaign %s is lost: the head in its image of %s cannot be read\n",
                   arg_text(o, "id"), arg_text(o, "image"));
        return;
    }
    buf_printf(out, "  campaign %s of %s stands as of %s: ", arg_text(o, "id"), arg_text(o, "account"),
               arg_text(o, "image"));
    if (is_so(o, "unknown"))
        buf_str(out, "how far it was cannot be read, so that everybody gets it again if it is resumed");
    else if (!is_so(o, "begun")) buf_str(out, "it had not begun");
    else
        buf_printf(out, "%lld of %lld letters were given to the queue", number(o, "given"),
                   number(o, "letters"));
    if (number(o, "lost"))
        buf_printf(out, ", of which at least %lld recipients had not got theirs and will not",
                   number(o, "lost"));
    buf_printf(out, "; %s\n",
               is_so(o, "over")   ? "it was over"
               : is_so(o, "held") ? "it is held, for orders since then are not known"
                                  : "an order had stopped it");
}

static void print_losses(json_t *b, struct buf *out)
{
    static const char *const words[][2] = {
        {"damaged_bodies", "bodies cannot be read"},
        {"unreadable_packs", "files of bodies cannot be read"},
        {"without_origin", "bodies do not say where they belong; see `tram verify`"},
        {"of_no_account", "messages are of accounts that are not here"},
        {"damaged_rows", "rows of the images are damaged"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (number(b, words[i][0])) buf_printf(out, "%lld %s.\n", number(b, words[i][0]), words[i][1]);
}

void print_rebuilt(json_t *reply, struct buf *out)
{
    json_t *b = json_object_get(reply, "rebuilt"), *o;
    size_t i;
    json_array_foreach(json_object_get(reply, "mended"), i, o) buf_printf(out, "%s\n", json_string_value(o));
    if (!b) return;
    buf_printf(out, "The index was lost and is made again from images and younger letters.\n");
    if (json_object_get(b, "lost_index"))
        buf_printf(out, "What was left of it is %s.\n", arg_text(b, "lost_index"));
    buf_printf(out, "%lld domains are as of %s.\n", number(b, "domains"), arg_text(b, "directory"));
    json_array_foreach(json_object_get(b, "accounts"), i, o) print_account(o, out);
    json_array_foreach(json_object_get(b, "letters"), i, o)
        if (number(o, "held"))
            buf_printf(out, "  letter %s from <%s> is held for %s\n", arg_text(o, "id"),
                       arg_text(o, "sender"), arg_text(o, "held_for"));
    json_array_foreach(json_object_get(b, "sends"), i, o) print_back(o, out);
    print_losses(b, out);
    buf_str(out, "What is lost:\n");
    json_array_foreach(json_object_get(b, "lost"), i, o)
        buf_printf(out, "  %s%s%s\n", arg_text(o, "what"), json_object_get(o, "since") ? ", since " : "",
                   json_object_get(o, "since") ? arg_text(o, "since") : "");
    buf_str(out, "What may differ from what was:\n");
    json_array_foreach(json_object_get(b, "may_differ"), i, o)
        buf_printf(out, "  %s\n", json_string_value(o));
    buf_str(out,
            "No letter of before is swept until you say that this is judged: tram verify --close-loss\n");
}

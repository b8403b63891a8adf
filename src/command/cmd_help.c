/* cmd_help.c - help: the tables of commands and settings in words, and as data, which tests compare
 * the manual with. */
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"

static const char *const type_names[] = {"text", "flag", "number", "ip", "endpoint", "path", "choice"};
static const char *const from_names[] = {"option", "word", "password", "login", "terminal"};

static json_t *arg_json(const struct arg *g)
{
    json_t *o = json_object();
    reply_text(o, "name", sl_cstr(g->name));
    if (g->value) reply_text(o, "value", sl_cstr(g->value));
    reply_text(o, "meaning", sl_cstr(g->meaning));
    reply_text(o, "type", sl_cstr(type_names[g->type]));
    reply_text(o, "from", sl_cstr(from_names[g->from]));
    json_object_set_new(o, "needed", json_boolean(g->flags & ARG_NEEDED));
    json_object_set_new(o, "many", json_boolean(g->flags & ARG_MANY));
    if (g->words) reply_text(o, "words", sl_cstr(g->words));
    if (g->type != ARG_NUMBER) return o;
    reply_int(o, "least", g->least);
    reply_int(o, "most", g->most);
    reply_int(o, "default", g->fallback);
    return o;
}

json_t *help_command(struct arena *a, const struct command *c)
{
    json_t *o = json_object(), *list = json_array();
    for (const struct arg *g = c->args; g && g->name; g++) json_array_append_new(list, arg_json(g));
    reply_text(o, "name", sl_cstr(c->name));
    reply_text(o, "usage", command_usage(a, c));
    reply_text(o, "help", sl_cstr(c->help));
    json_object_set_new(o, "args", list);
    return o;
}

static json_t *setting_json(const struct setting *s)
{
    static const char *const types[] = {
        [SETTING_HOST] = "host",         [SETTING_IPS] = "ips",   [SETTING_NUMBER] = "number",
        [SETTING_ENDPOINT] = "endpoint", [SETTING_PATH] = "path", [SETTING_URL] = "url",
        [SETTING_SIZE] = "size",         [SETTING_TIME] = "time", [SETTING_DOMAINS] = "domains",
        [SETTING_CHOICE] = "choice",     [SETTING_SET] = "set",   [SETTING_YES] = "yes",
        [SETTING_CLASSES] = "classes",   [SETTING_TEXT] = "text", [SETTING_NETS] = "networks",
        [SETTING_ROUTES] = "routes",
    };
    json_t *o = json_object();
    reply_text(o, "name", sl_cstr(s->name));
    reply_text(o, "type", sl_cstr(types[s->type]));
    reply_text(o, "default", sl_cstr(s->fallback));
    reply_text(o, "meaning", sl_cstr(s->meaning));
    if (s->least) reply_text(o, "least", sl_cstr(s->least));
    if (s->most) reply_text(o, "most", sl_cstr(s->most));
    if (s->words) reply_text(o, "words", sl_cstr(s->words));
    json_object_set_new(o, "reload", json_boolean(s->reload));
    return o;
}

json_t *help_settings(void)
{
    json_t *list = json_array();
    for (size_t i = 0; i < nsettings; i++) json_array_append_new(list, setting_json(&settings[i]));
    return list;
}

static void print_arg(json_t *g, struct buf *out)
{
    const char *name = arg_text(g, "name"), *value = arg_text(g, "value");
    if (strcmp(arg_text(g, "from"), "login") == 0 || strcmp(arg_text(g, "from"), "terminal") == 0) return;
    bool option = strcmp(arg_text(g, "from"), "option") == 0;
    buf_printf(out, "          %s%s%s%s: %s",
               !option   ? ""
               : name[1] ? "--"
                         : "-",
               option   ? name
               : *value ? value
                        : name,
               option && *value ? " " : "", option ? value : "", arg_text(g, "meaning"));
    if (json_object_get(g, "least"))
        buf_printf(out, ", %lld to %lld, default %lld", (long long)arg_number(g, "least"),
                   (long long)arg_number(g, "most"), (long long)arg_number(g, "default"));
    buf_char(out, '\n');
}

/* All commands in short, or those asked for with their arguments. */
void print_help(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    size_t i, k;
    json_t *c, *g;
    bool all = !*arg_text(reply, "asked");
    if (all)
        buf_str(out,
                "Tram, a mail server. usage: tram [-C DIR] COMMAND ...   (DIR: the home of a node; default "
                "$TRAM_HOME)\n\n");
    json_array_foreach(json_object_get(reply, "commands"), i, c) {
        const char *usage = arg_text(c, "usage");
        buf_printf(out, "  tram %s%s%s\n        %s\n", arg_text(c, "name"), *usage ? " " : "", usage,
                   arg_text(c, "help"));
        if (!all)
            json_array_foreach(json_object_get(c, "args"), k, g) print_arg(g, out);
    }
    if (all)
        buf_str(out, "\nCOMMAND --help explains its arguments; --json prints data for programs.\n"
                     "Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not.\n");
}

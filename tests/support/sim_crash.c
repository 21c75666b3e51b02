/* Power cuts of the simulated disk: what is not durable, and what can have become of it.  See
 * sim_disk.h. */
#include "tests/support/sim_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- walking over what is not durable ---- */

/* Directories and files that a name leads to, now, durably, or by an operation under way; each
 * once. The order is the same for every walk over an unchanged disk. */
struct nodes {
    struct sim_node **list;
    size_t count, cap;
};

static void add_node(struct nodes *nodes, struct sim_node *node)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->list[i] == node)
            return;
    SIM_ROOM(nodes->list, nodes->count, nodes->cap);
    nodes->list[nodes->count++] = node;
}

static void add_names(struct nodes *nodes, const struct sim_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        add_node(nodes, names->entries[i].node);
}

/* Breadth first: the list grows while it is walked. */
static struct nodes all_nodes(struct sim_disk *disk)
{
    struct nodes nodes = {0};

    add_node(&nodes, disk->root);
    for (size_t i = 0; i < nodes.count; i++) {
        struct sim_node *node = nodes.list[i];
        add_names(&nodes, &node->synced);
        for (size_t k = 0; k < node->op_count; k++)
            if (node->ops[k].node)
                add_node(&nodes, node->ops[k].node);
    }
    return nodes;
}

static bool grew(const struct sim_node *node)
{
    return !node->dir && sim_image_size(node->cached) > sim_image_size(node->durable);
}

static size_t units_of(const struct sim_node *node)
{
    return node->dir ? node->op_count : node->piece_count + (grew(node) ? 1 : 0);
}

/* ---- listing ---- */

static struct sim_unit data_unit(const struct sim_node *node, const struct sim_piece *piece)
{
    struct sim_unit unit = {.kind = SIM_DATA, .ways = piece->versions + 1, .node = node->serial};

    unit.offset = piece->offset;
    unit.len = piece->len;
    snprintf(unit.name, sizeof unit.name, "%s%s", node->name,
             piece->lost ? ", its sync failed" : "");
    return unit;
}

static struct sim_unit size_unit(const struct sim_node *node)
{
    struct sim_unit unit = {.kind = SIM_SIZE, .ways = 2, .node = node->serial};

    unit.offset = sim_image_size(node->cached);
    snprintf(unit.name, sizeof unit.name, "%s", node->name);
    return unit;
}

static struct sim_unit entry_unit(const struct sim_node *dir, const struct sim_op *op)
{
    static const char *const verbs[] = {"link", "unlink", "rename", "move away"};
    struct sim_unit unit = {.kind = SIM_ENTRY, .ways = 2, .node = dir->serial};

    snprintf(unit.name, sizeof unit.name, "%s %s %s", verbs[op->kind], op->name, op->to);
    return unit;
}

static size_t list_units(const struct sim_node *node, struct sim_unit *units)
{
    size_t count = 0;

    if (node->dir) {
        for (size_t i = 0; i < node->op_count; i++)
            units[count++] = entry_unit(node, &node->ops[i]);
        return count;
    }
    if (grew(node))
        units[count++] = size_unit(node);
    for (size_t i = 0; i < node->piece_count; i++)
        units[count++] = data_unit(node, &node->pieces[i]);
    return count;
}

size_t sim_units(struct sim_disk *disk, struct sim_unit **units)
{
    struct nodes nodes;
    size_t count = 0, done = 0;

    pthread_mutex_lock(&disk->mutex);
    nodes = all_nodes(disk);
    for (size_t i = 0; i < nodes.count; i++)
        count += units_of(nodes.list[i]);
    *units = sim_must(malloc((count + 1) * sizeof **units));
    for (size_t i = 0; i < nodes.count; i++)
        done += list_units(nodes.list[i], *units + done);
    pthread_mutex_unlock(&disk->mutex);
    free(nodes.list);
    return count;
}

void sim_units_print(const struct sim_unit *units, size_t count, const uint8_t *ways, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct sim_unit *unit = &units[i];
        fprintf(out, "  %s: ", unit->name);
        if (unit->kind == SIM_DATA)
            fprintf(out, "%zu bytes at %llu", unit->len, (unsigned long long)unit->offset);
        else if (unit->kind == SIM_SIZE)
            fprintf(out, "size %llu", (unsigned long long)unit->offset);
        else
            fprintf(out, "in its folder");
        if (ways[i] == 0)
            fprintf(out, ": lost\n");
        else
            fprintf(out, ": there (%u of %u)\n", ways[i], unit->ways - 1);
    }
}

/* ---- choosing ---- */

static uint8_t present(const struct sim_unit *unit)
{
    return (uint8_t)(unit->ways - 1);
}

static uint8_t some_way(const struct sim_unit *unit, struct test_rng *rng)
{
    unsigned ways = unit->kind == SIM_SIZE ? SIM_SIZE_WAYS : unit->ways;

    return (uint8_t)(1 + test_rng_below(rng, ways - 1));
}

static uint8_t with_chance(const struct sim_unit *unit, struct test_rng *rng, unsigned of_ten)
{
    if (test_rng_below(rng, 10) >= of_ten)
        return 0;
    return test_rng_below(rng, 2) ? present(unit) : some_way(unit, rng);
}

/* What the preset has random is chosen once: */
struct choice {
    enum sim_preset preset;
    size_t chosen;
    uint64_t node;
};

static uint8_t way_of(const struct choice *choice, const struct sim_unit *unit, size_t i,
                      struct test_rng *rng)
{
    bool it = i == choice->chosen, its = unit->node == choice->node;

    switch (choice->preset) {
    case SIM_EVERYTHING:
        return present(unit);
    case SIM_PREFIX:
        return i < choice->chosen ? present(unit) : 0;
    case SIM_ALL_BUT_ONE:
        return it ? 0 : present(unit);
    case SIM_ONLY_ONE:
        return it ? present(unit) : 0;
    case SIM_ONE_FILE_NOT:
        return its ? 0 : present(unit);
    case SIM_ONE_FILE:
        return its ? present(unit) : 0;
    case SIM_NAMES_ONLY:
        return unit->kind == SIM_DATA ? 0 : unit->kind == SIM_ENTRY ? 1 : with_chance(unit, rng, 7);
    case SIM_DATA_ONLY:
        return unit->kind == SIM_ENTRY ? 0 : present(unit);
    case SIM_HALF:
        return with_chance(unit, rng, 5);
    case SIM_MOST:
        return with_chance(unit, rng, 9);
    case SIM_FEW:
        return with_chance(unit, rng, 1);
    default:
        return 0;
    }
}

void sim_choose(enum sim_preset preset, const struct sim_unit *units, size_t count,
                struct test_rng *rng, uint8_t *ways)
{
    struct choice choice = {.preset = preset};

    if (count == 0)
        return;
    choice.chosen = (size_t)test_rng_below(rng, count);
    if (preset == SIM_ONLY_ONE && test_rng_below(rng, 2))
        choice.chosen = count - 1;
    choice.node = units[choice.chosen].node;
    for (size_t i = 0; i < count; i++)
        ways[i] = way_of(&choice, &units[i], i, rng);
}

uint64_t sim_choices(const struct sim_unit *units, size_t count, uint64_t most)
{
    uint64_t product = 1;

    for (size_t i = 0; i < count && product < most; i++)
        product *= units[i].ways;
    return product < most ? product : most;
}

bool sim_next_choice(const struct sim_unit *units, size_t count, uint8_t *ways)
{
    for (size_t i = 0; i < count; i++) {
        if (++ways[i] < units[i].ways)
            return true;
        ways[i] = 0;
    }
    return false;
}

/* ---- the disk afterwards ---- */

/* Half-way sizes are at whole sectors. */
static uint64_t kept_size(const struct sim_node *node, uint8_t way)
{
    uint64_t from = sim_image_size(node->durable), to = sim_image_size(node->cached);

    if (way == 0)
        return from;
    if (way == 1)
        return to;
    return from + (to - from) * (way - 1u) / (SIM_SIZE_WAYS - 1) / SIM_SECTOR * SIM_SECTOR;
}

/* Data that is there makes its file as long as that. */
static void crash_file(const struct sim_node *node, const uint8_t *ways, struct sim_node *after)
{
    sim_image_unref(after->cached);
    sim_image_unref(after->durable);
    after->durable = sim_image_ref(node->durable);
    if (grew(node))
        sim_image_grow(&after->durable, kept_size(node, *ways++));
    for (size_t i = 0; i < node->piece_count; i++) {
        const struct sim_piece *piece = &node->pieces[i];
        if (ways[i] > 0)
            sim_image_write(&after->durable, piece->data[ways[i] - 1], piece->len, piece->offset);
    }
    after->cached = sim_image_ref(after->durable);
}

/* Which links of moved files are there is known before any old name of one goes. */
static void note_moves(const struct nodes *nodes, const uint8_t *ways)
{
    for (size_t i = 0; i < nodes->count; i++) {
        const struct sim_node *node = nodes->list[i];
        for (size_t k = 0; k < node->op_count; k++)
            if (node->ops[k].kind == SIM_LINK && node->ops[k].move)
                node->ops[k].move->kept = ways[k] > 0;
        ways += units_of(node);
    }
}

static bool may_happen(const struct sim_op *op)
{
    return op->kind != SIM_AWAY || op->move->durable || op->move->kept;
}

/* The names of `node` that are left, leading to the new nodes. */
static void crash_dir(const struct sim_node *node, const uint8_t *ways, const struct nodes *old,
                      struct sim_node *const *new_nodes, struct sim_node *after)
{
    struct sim_names names = {0};

    for (size_t i = 0; i < node->synced.count; i++)
        sim_names_put(&names, node->synced.entries[i].name, node->synced.entries[i].node);
    for (size_t i = 0; i < node->op_count; i++)
        if (ways[i] > 0 && may_happen(&node->ops[i]))
            sim_names_apply(&names, &node->ops[i]);
    for (size_t i = 0; i < names.count; i++) {
        struct sim_entry *entry = &names.entries[i];
        size_t at = 0;
        while (old->list[at] != entry->node)
            at++;
        sim_names_put(&after->now, entry->name, new_nodes[at]);
        sim_names_put(&after->synced, entry->name, new_nodes[at]);
        sim_node_unref(entry->node);
    }
    free(names.entries);
}

static struct sim_disk *disk_after(struct sim_disk *disk)
{
    struct sim_disk *after = sim_disk_empty(test_rng_next(&disk->rng));

    after->base_ms = disk->base_ms + disk->now_us / 1000 + 1000;
    after->next_serial = disk->next_serial;
    return after;
}

struct sim_disk *sim_crash(struct sim_disk *disk, const uint8_t *ways, size_t count)
{
    struct sim_disk *after;
    struct nodes nodes;
    struct sim_node **new_nodes;
    size_t used = 0;

    pthread_mutex_lock(&disk->mutex);
    after = disk_after(disk);
    nodes = all_nodes(disk);
    new_nodes = sim_must(malloc(nodes.count * sizeof(struct sim_node *)));
    for (size_t i = 0; i < nodes.count; i++)
        new_nodes[i] = sim_node_new(after, nodes.list[i]->dir, nodes.list[i]->name);
    note_moves(&nodes, ways);
    for (size_t i = 0; i < nodes.count; i++) {
        if (nodes.list[i]->dir)
            crash_dir(nodes.list[i], ways + used, &nodes, new_nodes, new_nodes[i]);
        else
            crash_file(nodes.list[i], ways + used, new_nodes[i]);
        used += units_of(nodes.list[i]);
    }
    if (used != count)
        abort();
    after->root = sim_node_ref(new_nodes[0]);
    for (size_t i = 0; i < nodes.count; i++)
        sim_node_unref(new_nodes[i]);
    pthread_mutex_unlock(&disk->mutex);
    free(new_nodes);
    free(nodes.list);
    return after;
}

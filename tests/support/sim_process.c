/* Simulated disks from without, and the processes on them: see sim_disk.h. */
#include "tests/support/sim_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- disks ---- */

struct sim_disk *sim_disk_empty(uint64_t seed)
{
    struct sim_disk *disk = sim_must(malloc(sizeof *disk));

    memset(disk, 0, offsetof(struct sim_disk, trace));
    disk->traced = 0;
    if (pthread_mutex_init(&disk->mutex, NULL) != 0)
        abort();
    test_rng_init(&disk->rng, seed);
    test_rng_fill(&disk->rng, disk->boot_id, sizeof disk->boot_id);
    disk->base_ms = UINT64_C(1800000000000);
    return disk;
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_empty(seed);

    disk->root = sim_node_new(disk, true, "/");
    return disk;
}

void sim_disk_free(struct sim_disk *disk)
{
    if (!disk)
        return;
    while (disk->processes)
        sim_process_free(disk->processes);
    sim_node_unref(disk->root);
    pthread_mutex_destroy(&disk->mutex);
    free(disk);
}

void sim_power_off_at(struct sim_disk *disk, uint64_t nth)
{
    disk->off_at = nth ? disk->calls + nth : 0;
}

void sim_fail(struct sim_disk *disk, const struct fault_plan *plan, enum sim_sync_failure failure)
{
    disk->plan = *plan;
    disk->failure = failure;
    disk->matched = disk->failed = 0;
}

uint64_t sim_failed(const struct sim_disk *disk)
{
    return disk->failed;
}

void sim_limit_space(struct sim_disk *disk, uint64_t bytes)
{
    disk->space = bytes;
}

static uint64_t used_in(const struct sim_node *node)
{
    uint64_t used = node->dir ? 0 : sim_image_size(node->cached);

    for (size_t i = 0; i < node->now.count; i++)
        used += used_in(node->now.entries[i].node);
    return used;
}

uint64_t sim_used_space(const struct sim_disk *disk)
{
    return used_in(disk->root);
}

void sim_short_calls(struct sim_disk *disk, unsigned one_in)
{
    disk->short_one_in = one_in;
}

static void write_back(struct sim_disk *disk, struct sim_node *node)
{
    if (test_rng_below(&disk->rng, 2) == 0) {
        if (node->dir)
            sim_dir_sync(node);
        else
            sim_file_sync(node);
    }
    for (size_t i = 0; i < node->now.count; i++)
        write_back(disk, node->now.entries[i].node);
}

void sim_write_back(struct sim_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    write_back(disk, disk->root);
    disk->changes++;
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t sim_changes(const struct sim_disk *disk)
{
    return disk->changes;
}

uint64_t sim_calls(const struct sim_disk *disk)
{
    return disk->calls;
}

void sim_set_hook(struct sim_disk *disk, sim_hook *hook, void *arg)
{
    disk->hook = hook;
    disk->hook_arg = arg;
}

void sim_trace_print(const struct sim_disk *disk, const char *title, FILE *out)
{
    uint64_t from = disk->traced > SIM_TRACE ? disk->traced - SIM_TRACE : 0;

    fprintf(out, "%s: the last %llu of %llu calls\n", title,
            (unsigned long long)(disk->traced - from), (unsigned long long)disk->traced);
    for (uint64_t i = from; i < disk->traced; i++) {
        const struct sim_call *call = &disk->trace[i % SIM_TRACE];
        fprintf(out, "  %5llu process %u: %s %s", (unsigned long long)i + 1, call->process,
                fault_call_name(call->call), call->name);
        if (call->len > 0)
            fprintf(out, " at %llu, %zu bytes", (unsigned long long)call->offset, call->len);
        fprintf(out, " = %lld\n", (long long)call->result);
    }
}

/* ---- processes ---- */

struct sim_process *sim_process_new(struct sim_disk *disk)
{
    struct sim_process *process = sim_must(calloc(1, sizeof *process));

    process->disk = disk;
    sim_table_init(process);
    pthread_mutex_lock(&disk->mutex);
    process->next = disk->processes;
    disk->processes = process;
    process->number = ++disk->made;
    pthread_mutex_unlock(&disk->mutex);
    return process;
}

const struct avj_io *sim_process_io(struct sim_process *process)
{
    return &process->table;
}

unsigned sim_process_number(const struct sim_process *process)
{
    return process->number;
}

bool sim_killed(const struct sim_process *process)
{
    return process->dead;
}

int sim_open_files(const struct sim_process *process)
{
    int open = 0;

    for (size_t i = 0; i < process->handle_count; i++)
        open += process->handles[i] != NULL;
    return open;
}

void sim_handle_close(struct sim_handle **slot)
{
    struct sim_handle *handle = *slot;

    if (handle->node->locked_by == handle)
        handle->node->locked_by = NULL;
    sim_node_unref(handle->node);
    free(handle);
    *slot = NULL;
}

void sim_die(struct sim_process *process)
{
    process->dead = true;
    for (size_t i = 0; i < process->handle_count; i++)
        if (process->handles[i])
            sim_handle_close(&process->handles[i]);
}

void sim_kill(struct sim_process *process)
{
    pthread_mutex_lock(&process->disk->mutex);
    sim_die(process);
    pthread_mutex_unlock(&process->disk->mutex);
}

void sim_kill_at(struct sim_process *process, uint64_t nth)
{
    process->kill_at = nth;
}

void sim_process_free(struct sim_process *process)
{
    struct sim_process **at;

    if (!process)
        return;
    sim_kill(process);
    for (at = &process->disk->processes; *at != process; at = &(*at)->next)
        ;
    *at = process->next;
    free(process->handles);
    free(process);
}

//! What a request may cost, and who stops the process where one costs more.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use imgmount::filesystem::{Budget, Request};
use rustix::process::{Resource, Rlimit, setrlimit};

/// How slow code is that was not optimised.
const SLOWNESS: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

/// Processor time for one request.
pub const FOR_REQUEST: Duration = Duration::from_secs(2).saturating_mul(SLOWNESS);
/// For opening an image.
pub const FOR_OPENING: Duration = Duration::from_secs(5).saturating_mul(SLOWNESS);
/// For judging a whole image, which is many requests.
pub const FOR_CHECK: Duration = Duration::from_secs(20).saturating_mul(SLOWNESS);
/// Until something is taken for stuck that uses no processor at all.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes that a case may have in memory at once, besides the images themselves.
pub const MEMORY: u64 = 256 << 20;
/// Bytes of address space: as the worker of a mount has, and a bit for the images.
const ADDRESSES: u64 = (1 << 30) + (256 << 20);

/// How the process ends that took too long.
pub const HANGS: i32 = 70;

/// What is being done: its number, and its name with the limit.
static NUMBER: AtomicU64 = AtomicU64::new(0);
static DOING: Mutex<(&str, Duration)> = Mutex::new(("nothing", PATIENCE));

/// Does `work`, which has to end within the limit of a request.
pub fn request<T>(name: &'static str, work: impl FnOnce(&Request) -> T) -> T {
    let steps = if cfg!(debug_assertions) {
        300_000
    } else {
        10_000_000
    };
    let request = Request {
        budget: Budget::new(steps),
        ..Request::new(0)
    };
    within(name, FOR_REQUEST, || work(&request))
}

/// Does `work`, which has to end within `limit` of processor time.
pub fn within<T>(name: &'static str, limit: Duration, work: impl FnOnce() -> T) -> T {
    set(name, limit);
    let done = work();
    set("nothing", PATIENCE);
    done
}

fn set(name: &'static str, limit: Duration) {
    *doing() = (name, limit);
    NUMBER.fetch_add(1, Ordering::Relaxed);
}

fn doing() -> std::sync::MutexGuard<'static, (&'static str, Duration)> {
    let doing = DOING.lock();
    doing.unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Ends this process where one request takes too long, and bounds its memory.
pub fn enforce() -> Result<(), String> {
    let addresses = Rlimit {
        current: Some(ADDRESSES),
        maximum: Some(ADDRESSES),
    };
    setrlimit(Resource::As, addresses).map_err(|error| format!("setrlimit: {error}"))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(|error| format!("setrlimit: {error}"))?;
    std::thread::spawn(watch);
    Ok(())
}

/// Looks ten times a second.
fn watch() {
    let mut since = (0, processor_time(), Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let number = NUMBER.load(Ordering::Relaxed);
        if number != since.0 {
            since = (number, processor_time(), Instant::now());
            continue;
        }
        let (name, limit) = *doing();
        let used = processor_time().saturating_sub(since.1);
        if used > limit || since.2.elapsed() > PATIENCE.max(limit * 4) {
            eprintln!("hang: {name}: {used:?} of processor time, still at work");
            std::process::exit(HANGS);
        }
    }
}

/// What all threads of this process used so far, in steps of 10 ms.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Starts to measure anew how much memory is in use at the most; gives what is in use.
pub fn forget_peak() -> u64 {
    // Where it cannot be, the peak is that of all cases so far: too high rather than too low.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

/// The most memory in use since then.
pub fn peak() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

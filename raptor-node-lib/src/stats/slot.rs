//! The measurements of one step, and their format on disk.

/// Number of measured values: CPU, memory, disk, bytes received, bytes sent.
pub(super) const VALUES: usize = 5;
/// Size on disk: start (i64), count (u32), minimum, mean and maximum of each value (f32), checksum (u32); little-endian.
pub(super) const BYTES: usize = 8 + 4 + VALUES * 3 * 4 + 4;

/// Minimum, mean and maximum of the measurements in a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slot {
    /// Unix time in seconds of the first measurement; on disk, of the step's beginning.
    pub(super) start: i64,
    count: u32,
    values: [[f32; 3]; VALUES],
}

impl Slot {
    /// A single measurement.
    pub(super) fn of(start: i64, values: [f64; VALUES]) -> Self {
        Self { start, count: 1, values: values.map(|value| [value as f32; 3]) }
    }

    /// The same, with `start` as the beginning of its step.
    pub(super) fn beginning(self, start: i64) -> Self {
        Self { start, ..self }
    }

    /// Adds measurements of the same step. The start stays.
    pub(super) fn merge(&mut self, other: &Self) {
        let (own, others) = (f64::from(self.count), f64::from(other.count));
        for ([min, avg, max], [low, mean, high]) in self.values.iter_mut().zip(other.values) {
            *min = min.min(low);
            *max = max.max(high);
            *avg = ((f64::from(*avg) * own + f64::from(mean) * others) / (own + others)) as f32;
        }
        self.count = self.count.saturating_add(other.count);
    }

    /// Minimum, mean and maximum of each value.
    pub(super) fn values(&self) -> [[f64; 3]; VALUES] {
        self.values.map(|value| value.map(f64::from))
    }

    /// Encodes it for the disk.
    pub(super) fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let numbers = self.values.iter().flatten().flat_map(|value| value.to_le_bytes());
        let head = self.start.to_le_bytes().into_iter().chain(self.count.to_le_bytes());
        for (place, byte) in bytes.iter_mut().zip(head.chain(numbers)) {
            *place = byte;
        }
        if let Some((body, check)) = bytes.split_last_chunk_mut::<4>() {
            *check = checked(body).to_le_bytes();
        }
        bytes
    }

    /// Decodes it; `None` if nothing or only part of it was written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (body, check) = bytes.get(..BYTES)?.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*check) != checked(body) {
            return None;
        }
        let (start, rest) = body.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let mut values = [[0.0; 3]; VALUES];
        let (numbers, _) = rest.as_chunks::<4>();
        for (value, number) in values.iter_mut().flatten().zip(numbers) {
            *value = f32::from_le_bytes(*number);
        }
        let slot = Self { start: i64::from_le_bytes(*start), count: u32::from_le_bytes(*count), values };
        (slot.count > 0).then_some(slot)
    }
}

/// FNV-1a, which only has to detect incomplete writes.
fn checked(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

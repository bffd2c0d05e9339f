//! The on-disk structures of UDF, byte for byte, under the names that ECMA-167 (third edition) and
//! the OSTA UDF specification give their fields, in snake case. Fields that nobody here reads are
//! gathered under names with a leading underscore.

use zerocopy::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Descriptor tag (ECMA-167, 3/7.2): starts every descriptor.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawTag {
    pub(super) tag_identifier: U16,
    pub(super) descriptor_version: U16,
    pub(super) tag_checksum: u8,
    _reserved: u8,
    _tag_serial_number: U16,
    pub(super) descriptor_crc: U16,
    pub(super) descriptor_crc_length: U16,
    pub(super) tag_location: U32,
}

const _: () = assert!(size_of::<RawTag>() == 16);

/// `timestamp` (ECMA-167, 1/7.3).
#[derive(Clone, Copy, Default, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawTimestamp {
    pub(super) type_and_time_zone: U16,
    pub(super) year: I16,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) centiseconds: u8,
    pub(super) hundreds_of_microseconds: u8,
    pub(super) microseconds: u8,
}

const _: () = assert!(size_of::<RawTimestamp>() == 12);

/// `regid`, an entity identifier (ECMA-167, 1/7.4).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntity {
    _flags: u8,
    pub(super) identifier: [u8; 23],
    /// The UDF revision in the first two bytes, in domain and UDF identifiers (UDF 2.1.5.3).
    pub(super) revision: U16,
    _suffix: [u8; 6],
}

const _: () = assert!(size_of::<RawEntity>() == 32);

/// `extent_ad` (ECMA-167, 3/7.1): bytes from a logical sector on.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtent {
    pub(super) length: U32,
    pub(super) location: U32,
}

/// `lb_addr` (ECMA-167, 4/7.1): a logical block of a partition.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawAddress {
    pub(super) logical_block_number: U32,
    pub(super) partition_reference_number: U16,
}

/// `short_ad` (ECMA-167, 4/14.14.1).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawShort {
    pub(super) extent_length: U32,
    pub(super) extent_position: U32,
}

/// `long_ad` (ECMA-167, 4/14.14.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLong {
    pub(super) extent_length: U32,
    pub(super) extent_location: RawAddress,
    _implementation_use: [u8; 6],
}

const _: () = assert!(size_of::<RawLong>() == 16);

/// `ext_ad` (ECMA-167, 4/14.14.3).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtended {
    pub(super) extent_length: U32,
    pub(super) recorded_length: U32,
    pub(super) information_length: U32,
    pub(super) extent_location: RawAddress,
    _implementation_use: [u8; 2],
}

const _: () = assert!(size_of::<RawExtended>() == 20);

/// Anchor volume descriptor pointer (ECMA-167, 3/10.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawAnchor {
    _tag: RawTag,
    pub(super) main_volume_descriptor_sequence_extent: RawExtent,
    pub(super) reserve_volume_descriptor_sequence_extent: RawExtent,
}

/// Volume descriptor pointer (ECMA-167, 3/10.3).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawPointer {
    _tag: RawTag,
    _volume_descriptor_sequence_number: U32,
    pub(super) next_volume_descriptor_sequence_extent: RawExtent,
}

/// Primary volume descriptor (ECMA-167, 3/10.1), up to the volume set identifier.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawPrimary {
    _tag: RawTag,
    pub(super) volume_descriptor_sequence_number: U32,
    _primary_volume_descriptor_number: U32,
    pub(super) volume_identifier: [u8; 32],
    _numbers: [U16; 4],
    _character_set_lists: [U32; 2],
    pub(super) volume_set_identifier: [u8; 128],
}

const _: () = assert!(size_of::<RawPrimary>() == 200);

/// Partition descriptor (ECMA-167, 3/10.5), with the partition header descriptor (4/14.3) that its
/// contents use holds.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawPartition {
    _tag: RawTag,
    pub(super) volume_descriptor_sequence_number: U32,
    _partition_flags: U16,
    pub(super) partition_number: U16,
    _partition_contents: RawEntity,
    pub(super) unallocated_space_table: RawShort,
    pub(super) unallocated_space_bitmap: RawShort,
    _partition_integrity_table: RawShort,
    pub(super) freed_space_table: RawShort,
    pub(super) freed_space_bitmap: RawShort,
    _reserved: [u8; 88],
    pub(super) access_type: U32,
    pub(super) partition_starting_location: U32,
    pub(super) partition_length: U32,
}

const _: () = assert!(size_of::<RawPartition>() == 196);

/// Logical volume descriptor (ECMA-167, 3/10.6), up to its partition maps.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawLogicalVolume {
    _tag: RawTag,
    pub(super) volume_descriptor_sequence_number: U32,
    _descriptor_character_set: [u8; 64],
    pub(super) logical_volume_identifier: [u8; 128],
    pub(super) logical_block_size: U32,
    pub(super) domain_identifier: RawEntity,
    /// Where the file set descriptor is (UDF 2.2.4.4).
    pub(super) logical_volume_contents_use: RawLong,
    pub(super) map_table_length: U32,
    pub(super) number_of_partition_maps: U32,
    _implementation_identifier: RawEntity,
    _implementation_use: [u8; 128],
    pub(super) integrity_sequence_extent: RawExtent,
}

const _: () = assert!(size_of::<RawLogicalVolume>() == 440);

/// Type 1 partition map (ECMA-167, 3/10.7.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawMap1 {
    _type_and_length: [u8; 2],
    pub(super) volume_sequence_number: U16,
    pub(super) partition_number: U16,
}

/// Type 2 partition map (ECMA-167, 3/10.7.3, under UDF 2.2.8 to 2.2.10), up to what differs.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawMap2 {
    _type_and_length: [u8; 2],
    _reserved: [u8; 2],
    pub(super) partition_type_identifier: RawEntity,
    pub(super) volume_sequence_number: U16,
    pub(super) partition_number: U16,
}

const _: () = assert!(size_of::<RawMap2>() == 40);

/// Sparable partition map (UDF 2.2.9).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSparableMap {
    _head: RawMap2,
    pub(super) packet_length: U16,
    pub(super) number_of_sparing_tables: u8,
    _reserved: u8,
    pub(super) size_of_each_sparing_table: U32,
    pub(super) locations_of_sparing_tables: [U32; 4],
}

/// Metadata partition map (UDF 2.2.10).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawMetadataMap {
    _head: RawMap2,
    pub(super) metadata_file_location: U32,
    pub(super) metadata_mirror_file_location: U32,
    pub(super) metadata_bitmap_file_location: U32,
    _allocation_unit_size: U32,
    _alignment_unit_size: U16,
    _flags: u8,
    _reserved: [u8; 5],
}

const _: () = assert!(size_of::<RawSparableMap>() == 64 && size_of::<RawMetadataMap>() == 64);

/// Sparing table (UDF 2.2.12), up to its entries.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSparingTable {
    _tag: RawTag,
    pub(super) sparing_identifier: RawEntity,
    pub(super) reallocation_table_length: U16,
    _reserved: U16,
    pub(super) sequence_number: U32,
}

const _: () = assert!(size_of::<RawSparingTable>() == 56);

/// An entry of the sparing table.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSpared {
    pub(super) original_location: U32,
    pub(super) mapped_location: U32,
}

/// Virtual allocation table of UDF 2.00 and later (UDF 2.2.11), up to its implementation use.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawVat20 {
    pub(super) length_of_header: U16,
    _length_of_implementation_use: U16,
    _logical_volume_identifier: [u8; 128],
    _previous_vat_icb_location: U32,
    pub(super) number_of_files: U32,
    pub(super) number_of_directories: U32,
    pub(super) minimum_udf_read_revision: U16,
    _write_revisions: [U16; 2],
    _reserved: U16,
}

const _: () = assert!(size_of::<RawVat20>() == 152);

/// The end of the virtual allocation table of UDF 1.50 (UDF 1.50, 2.2.10).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawVat15 {
    pub(super) entity_identifier: RawEntity,
    _previous_vat_icb_location: U32,
}

/// Logical volume integrity descriptor (ECMA-167, 3/10.10), up to its tables.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawIntegrity {
    _tag: RawTag,
    _recording_date_and_time: RawTimestamp,
    pub(super) integrity_type: U32,
    pub(super) next_integrity_extent: RawExtent,
    _unique_id: U64,
    _reserved: [u8; 24],
    pub(super) number_of_partitions: U32,
    pub(super) length_of_implementation_use: U32,
}

const _: () = assert!(size_of::<RawIntegrity>() == 80);

/// The implementation use of the integrity descriptor (UDF 2.2.6.4).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawIntegrityUse {
    _implementation_id: RawEntity,
    pub(super) number_of_files: U32,
    pub(super) number_of_directories: U32,
    pub(super) minimum_udf_read_revision: U16,
    _minimum_udf_write_revision: U16,
    _maximum_udf_write_revision: U16,
}

/// File set descriptor (ECMA-167, 4/14.1), up to the root directory.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFileSet {
    _tag: RawTag,
    _recording_date_and_time: RawTimestamp,
    _levels: [U16; 2],
    _character_sets: [U32; 2],
    _numbers: [U32; 2],
    _logical_volume_identifier_character_set: [u8; 64],
    _logical_volume_identifier: [u8; 128],
    _file_set_character_set: [u8; 64],
    _file_set_identifier: [u8; 32],
    _copyright_file_identifier: [u8; 32],
    _abstract_file_identifier: [u8; 32],
    pub(super) root_directory_icb: RawLong,
}

const _: () = assert!(size_of::<RawFileSet>() == 416);

/// `icbtag` (ECMA-167, 4/14.6).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawIcbTag {
    _prior_recorded_number_of_direct_entries: U32,
    pub(super) strategy_type: U16,
    _strategy_parameter: U16,
    _maximum_number_of_entries: U16,
    _reserved: u8,
    pub(super) file_type: u8,
    _parent_icb_location: RawAddress,
    pub(super) flags: U16,
}

const _: () = assert!(size_of::<RawIcbTag>() == 20);

/// What file entry and extended file entry have in common at their start.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawEntryHead {
    _tag: RawTag,
    pub(super) icb_tag: RawIcbTag,
    pub(super) uid: U32,
    pub(super) gid: U32,
    pub(super) permissions: U32,
    pub(super) file_link_count: U16,
    _record_format: [u8; 2],
    _record_length: U32,
    pub(super) information_length: U64,
}

const _: () = assert!(size_of::<RawEntryHead>() == 64);

/// File entry (ECMA-167, 4/14.9), up to its extended attributes.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFileEntry {
    pub(super) head: RawEntryHead,
    pub(super) logical_blocks_recorded: U64,
    pub(super) access_date_and_time: RawTimestamp,
    pub(super) modification_date_and_time: RawTimestamp,
    pub(super) attribute_date_and_time: RawTimestamp,
    _checkpoint: U32,
    _extended_attribute_icb: RawLong,
    _implementation_identifier: RawEntity,
    pub(super) unique_id: U64,
    pub(super) length_of_extended_attributes: U32,
    pub(super) length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<RawFileEntry>() == 176);

/// Extended file entry (ECMA-167, 4/14.17), up to its extended attributes.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawExtendedFileEntry {
    pub(super) head: RawEntryHead,
    _object_size: U64,
    pub(super) logical_blocks_recorded: U64,
    pub(super) access_date_and_time: RawTimestamp,
    pub(super) modification_date_and_time: RawTimestamp,
    pub(super) creation_date_and_time: RawTimestamp,
    pub(super) attribute_date_and_time: RawTimestamp,
    _checkpoint: U32,
    _reserved: U32,
    _extended_attribute_icb: RawLong,
    pub(super) stream_directory_icb: RawLong,
    _implementation_identifier: RawEntity,
    pub(super) unique_id: U64,
    pub(super) length_of_extended_attributes: U32,
    pub(super) length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<RawExtendedFileEntry>() == 216);

/// Unallocated space entry (ECMA-167, 4/14.11), up to its allocation descriptors.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawUnallocatedSpace {
    _tag: RawTag,
    pub(super) icb_tag: RawIcbTag,
    pub(super) length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<RawUnallocatedSpace>() == 40);

/// Space bitmap descriptor (ECMA-167, 4/14.12), up to its bitmap.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawSpaceBitmap {
    _tag: RawTag,
    pub(super) number_of_bits: U32,
    pub(super) number_of_bytes: U32,
}

/// Indirect entry (ECMA-167, 4/14.7).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawIndirect {
    _tag: RawTag,
    _icb_tag: RawIcbTag,
    pub(super) indirect_icb: RawLong,
}

/// Allocation extent descriptor (ECMA-167, 4/14.5), up to its allocation descriptors.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawAllocationExtent {
    _tag: RawTag,
    _previous_allocation_extent_location: U32,
    pub(super) length_of_allocation_descriptors: U32,
}

const _: () = assert!(size_of::<RawAllocationExtent>() == 24);

/// File identifier descriptor (ECMA-167, 4/14.4), up to its implementation use.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFileIdentifier {
    pub(super) tag: RawTag,
    _file_version_number: U16,
    pub(super) file_characteristics: u8,
    pub(super) length_of_file_identifier: u8,
    pub(super) icb: RawLong,
    pub(super) length_of_implementation_use: U16,
}

const _: () = assert!(size_of::<RawFileIdentifier>() == 38);

/// The start of every extended attribute (ECMA-167, 4/14.10.2).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawAttribute {
    pub(super) attribute_type: U32,
    pub(super) attribute_subtype: u8,
    _reserved: [u8; 3],
    pub(super) attribute_length: U32,
}

const _: () = assert!(size_of::<RawAttribute>() == 12);

/// File times extended attribute (ECMA-167, 4/14.10.5), up to its times.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawFileTimes {
    _head: RawAttribute,
    pub(super) data_length: U32,
    pub(super) file_time_existence: U32,
}

/// Device specification extended attribute (ECMA-167, 4/14.10.7).
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawDevice {
    _head: RawAttribute,
    _implementation_use_length: U32,
    pub(super) major_device_identification: U32,
    pub(super) minor_device_identification: U32,
}

/// Path component (ECMA-167, 4/14.16.1), up to its identifier.
#[derive(Clone, Copy, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RawPathComponent {
    pub(super) component_type: u8,
    pub(super) length_of_component_identifier: u8,
    _component_file_version_number: U16,
}

const _: () = assert!(size_of::<RawPathComponent>() == 4);

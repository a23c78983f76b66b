import fc from 'fast-check';

/**
 * fast-check as every property test here uses it. Left to itself it draws collections of about ten
 * elements at most, whatever `maxLength` says, and so never crosses the lengths at which codecs, trees and
 * hashes change their ways: here a stated maximum is drawn up to, and what has none goes to about 100.
 * Values that contain values of their own kind need maxima: a hundred members, each with a hundred, have
 * no end.
 */
fc.configureGlobal({ baseSize: 'medium', defaultSizeToMaxWhenMaxSpecified: true });

export { fc };
